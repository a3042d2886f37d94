#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/config/address.h"
#include "server/config/producer_config.h"
#include "server/config/schema_registry_config.h"

namespace sidebus {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;

// One listener of the application API.
struct ListenConfig {
  Address address;
  std::string name;             // names the listener in identities and logs; unique
  std::uint32_t mode = 0660;    // Unix socket: permissions of the file
  std::string group;            // Unix socket: owning group of the file; empty: that of the process
  bool allow_insecure = false;  // TCP: accept an address that other machines can reach

  friend bool operator==(const ListenConfig&, const ListenConfig&) = default;
};

enum class BrokerKind : std::uint8_t { kEmbedded, kKafka };

struct BrokerConfig {
  BrokerKind kind = BrokerKind::kKafka;
  std::vector<std::string> bootstrap_servers;     // host:port each
  std::map<std::string, std::string> properties;  // librdkafka's own

  friend bool operator==(const BrokerConfig&, const BrokerConfig&) = default;
};

// How much may be held: whichever bound is reached first.
struct WindowConfig {
  std::uint32_t events = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const WindowConfig&, const WindowConfig&) = default;
};

struct PublishConfig {
  Duration timeout = std::chrono::seconds(30);
  WindowConfig stream_in_flight{10'000, 8 * kMiB};

  friend bool operator==(const PublishConfig&, const PublishConfig&) = default;
};

enum class Switch : std::uint8_t { kOn, kOff };

struct DeadLetterConfig {
  Switch use = Switch::kOn;
  std::string topic = "{topic}.{group}.dead";  // without prefix
  bool create = true;

  friend bool operator==(const DeadLetterConfig&, const DeadLetterConfig&) = default;
};

enum class OnUndecodable : std::uint8_t { kDeadLetter, kSkip, kHalt };
enum class OnTruncated : std::uint8_t { kEarliest, kHalt };

// How the members of a group share out its partitions. kAuto: kConsumer where brokers have it.
enum class RebalanceProtocol : std::uint8_t { kClassic, kConsumer, kAuto };
enum class PartitionAssignor : std::uint8_t { kRange, kCooperativeSticky };

struct SubscribeConfig {
  Duration lease = std::chrono::seconds(60);
  Duration min_lease = std::chrono::seconds(1);
  Duration max_lease = std::chrono::hours(1);
  std::uint32_t max_attempts = 5;
  Duration min_backoff = std::chrono::milliseconds(500);
  Duration max_backoff = std::chrono::seconds(30);
  Duration max_delay = std::chrono::minutes(15);
  WindowConfig window{100, 4 * kMiB};
  WindowConfig max_window{1000, 16 * kMiB};
  Duration linger = std::chrono::seconds(10);
  std::uint32_t max_interruptions = 10;
  Duration revoke_grace = std::chrono::seconds(2);
  OnUndecodable on_undecodable = OnUndecodable::kDeadLetter;
  OnTruncated on_truncated = OnTruncated::kEarliest;
  RebalanceProtocol group_protocol = RebalanceProtocol::kClassic;
  PartitionAssignor assignor = PartitionAssignor::kRange;
  std::string static_member;  // its variables are expanded

  friend bool operator==(const SubscribeConfig&, const SubscribeConfig&) = default;
};

struct LimitsConfig {
  std::uint64_t max_event_bytes = 1'000'000;
  std::uint64_t max_request_bytes = 4 * kMiB;
  std::uint32_t max_events_per_request = 1000;
  std::uint64_t memory = 128 * kMiB;
  std::uint32_t max_streams = 256;
  std::uint32_t max_connections = 128;
  std::uint32_t max_subscriptions = 32;
  std::uint32_t max_broadcast_streams = 16;

  friend bool operator==(const LimitsConfig&, const LimitsConfig&) = default;
};

// What of Kafka /readyz looks at.
enum class KafkaReadiness : std::uint8_t { kIgnore, kAny, kAll };

struct LogConfig {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;

  friend bool operator==(const LogConfig&, const LogConfig&) = default;
};

// Everything that the configuration says, complete and checked: what LoadConfig() (load_config.h)
// returns. The members' initial values are the defaults; config_table.cc names the key of each.
struct Config {
  std::vector<ListenConfig> listen{
      {Address{"127.0.0.1", 7420, ""}, "127.0.0.1:7420", 0660, "", false}};
  Address admin{"127.0.0.1", 7421, ""};
  bool admin_pages = false;
  std::optional<Address> probes;
  std::optional<Address> admin_api;  // a Unix socket, or on the loopback interface
  std::string source = "/sidebus";
  std::string topic_prefix;
  ProducerConfig producer_config;
  BrokerConfig broker;
  SchemaRegistryConfig schema_registry;
  RecordEncoding encoding = RecordEncoding::kCloudEvents;
  std::string schemas_directory;  // empty: none
  DeadLetterConfig dead_letter;
  PublishConfig publish;
  SubscribeConfig subscribe;
  LimitsConfig limits;
  KafkaReadiness readiness = KafkaReadiness::kIgnore;
  bool startup_require_broker = false;
  std::uint32_t metrics_max_groups = 50;
  bool reflection = false;
  Duration shutdown_grace = std::chrono::seconds(20);
  LogConfig log;

  friend bool operator==(const Config&, const Config&) = default;

  // How the records of a route are written.
  RecordEncoding EncodingOf(const RouteConfig& route) const {
    return route.encoding.value_or(encoding);
  }
  // Whether some are written as Open edX has them, or would be if their routes were enabled.
  bool has_openedx() const;
};

}  // namespace sidebus
