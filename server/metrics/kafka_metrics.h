#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "server/base/mutex.h"
#include "server/metrics/metrics.h"

namespace sidebus {

// What a Kafka client says of itself from time to time. Counts are of all brokers, since the client
// was made.
struct KafkaClientFigures {
  std::uint64_t requests = 0;
  std::uint64_t send_errors = 0;
  std::uint64_t receive_errors = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t retries = 0;
  // Of the slowest broker, and of the one that throttles most, in the last window; seconds.
  double round_trip_p99 = 0;
  double throttle_max = 0;
  std::map<std::int32_t, bool> brokers{};  // by id: whether the connection to it is up
};

class KafkaClientMetrics;

// The metrics of the clients that connect to Kafka, by kind ("producer", "consumer"): clients of one
// kind share their series. Counters add them up, gauges show the worst one; a broker is connected
// when one of them has a connection that is up, which none has to a broker that it does not need.
//
// Thread safety: all methods may be called from any thread. Life: outlives what it made.
class KafkaMetrics {
 public:
  explicit KafkaMetrics(Metrics& metrics);
  ~KafkaMetrics();

  std::unique_ptr<KafkaClientMetrics> ForClient(std::string_view kind);

 private:
  friend class KafkaClientMetrics;
  struct Kind;

  Metrics& metrics_;
  Mutex mu_;
  std::map<std::string, Kind, std::less<>> kinds_ ABSL_GUARDED_BY(mu_);
};

// One client's share in them, from now until it is destroyed. Thread safety: one thread at a time.
class KafkaClientMetrics {
 public:
  ~KafkaClientMetrics();
  KafkaClientMetrics(const KafkaClientMetrics&) = delete;
  KafkaClientMetrics& operator=(const KafkaClientMetrics&) = delete;

  // Counts that are less than before, of a new client in the old one's place or without a broker that is
  // gone, are where counting goes on.
  void Update(const KafkaClientFigures& figures);

  // It cannot go on. `code`: Kafka's name of the error, one of a fixed set.
  void CountFatal(std::string_view code);

 private:
  friend class KafkaMetrics;
  KafkaClientMetrics(KafkaMetrics& metrics, KafkaMetrics::Kind& kind);

  KafkaMetrics& metrics_;
  KafkaMetrics::Kind& kind_;
  std::list<KafkaClientFigures>::iterator last_;
};

}  // namespace sidebus
