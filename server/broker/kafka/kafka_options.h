#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/broker/consumer.h"
#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {

class KafkaLog;
class KafkaMetrics;

// How members of a group share out its partitions: Kafka's first protocol, in which the members do,
// or that of KIP-848 (Kafka 4), in which the coordinator does. kAuto: that, where brokers have it.
enum class GroupProtocol : std::uint8_t { kClassic, kConsumer, kAuto };

// What the members of a classic group do it by. All of them must use the same.
enum class Assignor : std::uint8_t { kRange, kCooperativeSticky };

// What clients found out about a cluster, for those that come after them.
//
// Thread safety: any thread.
struct KafkaClusterFacts {
  std::atomic<bool> has_consumer_protocol{true};  // as far as is known
};

// How to reach a Kafka cluster, and what it can do.
struct KafkaBrokerOptions {
  std::vector<std::string> bootstrap_servers;     // host:port
  std::map<std::string, std::string> properties;  // librdkafka's own, by name; may hold secrets
  std::string client_id = "sidebus";
  Duration publish_timeout = std::chrono::seconds(30);
  std::uint64_t max_event_bytes = 1'000'000;
  // How long a record may wait for others to be sent with. 0: batches come from concurrency alone,
  // and a record that is alone does not wait (docs/adr/0021).
  Duration linger{0};
  // After which a silent member of a group loses its partitions; heartbeats are ten times as often.
  // Zero: librdkafka's default. With GroupProtocol::kConsumer the brokers say it, and this is what we
  // take them to say.
  Duration session_timeout{0};
  GroupProtocol group_protocol = GroupProtocol::kClassic;
  Assignor assignor = Assignor::kRange;
  bool halt_on_truncated = false;  // a position beyond the log end: fail, not the log's beginning
  // group.instance.id in every group that is read for good; empty: none
  std::string static_member;
  // False: the cluster answers ListOffsets by time wrongly (the mock cluster), so such a start is
  // refused.
  bool offsets_by_time = true;
  // False: the cluster tells neither the members of a group nor all its positions (the mock cluster).
  bool describes_groups = true;
  // False: the cluster lets nobody move a group that ever had a member (the mock cluster).
  bool moves_groups_that_had_members = true;
  // False: the cluster refuses the commits of members until the group has rebalanced (the mock
  // cluster), so that it is of no use to try again before a partition is given up.
  bool commits_while_rebalancing = true;
  // Where producers and consumers count what librdkafka says of them every 5 s; outlives them. Null:
  // it is not asked.
  KafkaMetrics* metrics = nullptr;
  // Makes a topic where the cluster cannot be asked to (the mock cluster). Called on any thread.
  std::function<absl::Status(const std::string& topic, int partitions)> make_topic;
};

// The group of consumers that have none, because librdkafka wants one. They neither join it nor commit
// under it, and still look for its coordinator.
inline constexpr char kBroadcastGroup[] = "sidebus-broadcast";

// librdkafka's version, for example "2.15.1".
std::string KafkaLibraryVersion();

// Whether librdkafka has a property of this name, for a client or for a topic.
bool IsKnownProperty(std::string_view name);

// Whether the property is ours to set, because a promise of the product depends on it
// ("enable.idempotence"), or because it loads code ("plugin.library.paths").
bool IsReservedProperty(std::string_view name);

// All of those. The configuration refuses them, and some more, with a reason each.
std::span<const std::string_view> ReservedProperties();

// Errors name the property, never its value. `log` must outlive the client that is made with it.
absl::StatusOr<KafkaConf> MakeProducerConf(const KafkaBrokerOptions& options, KafkaLog& log);

// For a client that only asks and administers. The caller sets the error callback.
absl::StatusOr<KafkaConf> MakeAdminConf(const KafkaBrokerOptions& options, KafkaLog& log);

// What may be fetched ahead per partition, for a bound over all of them: 64 KiB to 4 MiB.
// Zero: the least there is would cross the bound.
std::uint64_t FetchBytesFor(std::uint64_t buffer_bytes, std::uint64_t partitions);

// How many partitions at most that bound has room for.
std::uint64_t FetchablePartitions(std::uint64_t buffer_bytes);

// Whether rebalances name what they take, as all but the eager protocol do.
bool IsIncremental(const KafkaBrokerOptions& options);

// Whether its member of a group is a static one.
bool IsStatic(const KafkaBrokerOptions& options, const ConsumerOptions& consumer);

// After which a member of a group that nothing is heard of loses its partitions.
Duration SessionTimeoutOf(const KafkaBrokerOptions& options);

// `fetch_bytes` bounds what is fetched ahead per partition; one answer of a broker may cross it.
// kAuto is kConsumer here. The caller sets the rebalance and error callbacks.
absl::StatusOr<KafkaConf> MakeConsumerConf(const KafkaBrokerOptions& options,
                                           const ConsumerOptions& consumer,
                                           std::uint64_t fetch_bytes, KafkaLog& log);

// Makes the client; takes `conf`.
absl::StatusOr<KafkaClient> MakeClient(rd_kafka_type_t type, KafkaConf conf);

// What MakeProducerConf() and MakeClient() say to the options, of a producer that knows no servers and is
// gone at once: nobody is connected to.
absl::Status CheckProperties(const KafkaBrokerOptions& options);

}  // namespace sidebus
