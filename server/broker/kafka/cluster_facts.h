#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sidebus {

// What KafkaInspector found out about a cluster: plain values.

// What may be done to a topic, a group or the cluster, as Kafka's ACLs call it.
enum class KafkaOperation : std::uint8_t {
  kRead,
  kWrite,
  kCreate,
  kDelete,
  kAlter,
  kDescribe,
  kClusterAction,
  kDescribeConfigs,
  kAlterConfigs,
  kIdempotentWrite,
};

// What our user may do. nullopt: the cluster does not tell. A cluster without an authorizer tells all.
using KafkaOperations = std::optional<std::set<KafkaOperation>>;

// What an answer that is not one of the two says of a permission is in `error` beside it.
enum class KafkaPermission : std::uint8_t { kUnknown, kGranted, kDenied };

// Highest version of each request (by its number in Kafka's protocol) that all brokers have that
// were connected to. Empty: none told.
using KafkaApis = std::map<std::int16_t, std::int16_t>;

// How far a connection to the cluster came; of several servers, the one that came farthest.
enum class ConnectProblem : std::uint8_t {
  kNone,
  kNoAnswer,     // nothing that says more, in the time that there was
  kUnreachable,  // no address, or nobody listens
  kListener,     // somebody answers, but not in `security.protocol`
  kTls,          // the handshake failed, mostly because of a certificate
  kLogin,        // SASL was refused
};

struct BrokerFacts {
  std::int32_t id = -1;
  std::string host{};  // as the cluster tells its clients
  std::uint16_t port = 0;
};

struct ClusterFacts {
  ConnectProblem problem = ConnectProblem::kNoAnswer;
  std::string detail{};  // what librdkafka says of it; never a secret
  std::string id{};
  std::vector<BrokerFacts> brokers{};
  KafkaOperations operations{};  // on the cluster
};

enum class TopicPresence : std::uint8_t { kUnknown, kThere, kMissing, kDenied };

struct TopicFacts {
  std::string name{};
  TopicPresence presence = TopicPresence::kUnknown;
  std::string error{};  // Kafka's name of what was answered instead; empty: no answer
  int partitions = 0;
  int replicas = 0;  // of the partition that has the fewest
  int in_sync = 0;   // likewise
  int leaderless = 0;
  KafkaOperations operations{};
  // nullopt: not told, mostly because DESCRIBE_CONFIGS is not granted.
  std::optional<std::int64_t> min_in_sync{};
  std::optional<std::int64_t> max_message_bytes{};
};

struct GroupFacts {
  std::string name{};
  KafkaPermission may_describe = KafkaPermission::kUnknown;
  KafkaPermission may_read = KafkaPermission::kUnknown;
  bool exists = false;
  std::size_t members = 0;
  std::string error{};
};

// A topic that does not exist and might be made.
struct NewTopicFacts {
  std::string name{};
  int partitions = 1;
  int replicas = 1;
  KafkaPermission may_create = KafkaPermission::kUnknown;
  std::string error{};
};

}  // namespace sidebus
