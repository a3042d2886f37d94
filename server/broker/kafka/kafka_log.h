#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace sidebus {

// Passes librdkafka's log lines on to ours: per facility ("FAIL", "GETPID", ...) at most
// `kLinesPerPeriod` in 10 s; the next line after that says how many were left out.
//
// Ownership: by the clients whose lines it gets; it outlives them.
// Thread safety: all methods may be called from any thread.
class KafkaLog {
 public:
  static constexpr int kLinesPerPeriod = 3;

  // `client` is a field of each line: "producer" or "consumer <group>".
  // `owner`: for the other callbacks of the client, which get the same opaque.
  explicit KafkaLog(std::string client, void* owner = nullptr)
      : client_(std::move(client)), owner_(owner) {}

  void* owner() const { return owner_; }

  // The callback to set on a configuration whose opaque is a KafkaLog.
  static void Callback(const rd_kafka_t* client, int level, const char* facility, const char* text);

 private:
  struct Facility {
    SteadyTime since{};
    int written = 0;
    std::uint64_t left_out = 0;
  };

  void Write(int level, std::string_view facility, std::string_view text);

  const std::string client_;
  void* const owner_;
  Mutex mu_;
  // Facilities are constants of librdkafka, a few dozen.
  std::map<std::string, Facility, std::less<>> facilities_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
