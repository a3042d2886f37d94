#include "server/broker/kafka/kafka_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/numbers.h"
#include "server/base/error.h"
#include "server/broker/kafka/kafka_log.h"

namespace sidebus {
namespace {

using Setting = std::pair<const char*, std::string>;

constexpr char kSessionTimeout[] = "session.timeout.ms";
constexpr char kHeartbeatInterval[] = "heartbeat.interval.ms";
constexpr Duration kDefaultSessionTimeout = std::chrono::seconds(45);  // the brokers', too
constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kRecordOverhead = 64 * kKiB;
constexpr std::uint64_t kLeastFetch = 64 * kKiB;  // per partition
// More than `limits.max_event_bytes` can be, and less than a broker reads at once by default (100 MiB).
constexpr std::uint64_t kLargestRecord = 64 * kKiB * kKiB + kRecordOverhead;

// Each of these is a promise: idempotence and acks (no loss, no duplicate, truth about outcomes),
// offsets (the ack floor), callbacks and queues (threads), creation of topics.
constexpr auto kReserved = std::to_array<std::string_view>({
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.offset.reset",
    "background_event_cb",
    "bootstrap.servers",
    "closesocket_cb",
    "connect_cb",
    "consume_cb",
    "default_topic_conf",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "dr_cb",
    "dr_msg_cb",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "enabled_events",
    "error_cb",
    "fetch.message.max.bytes",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "interceptors",
    "log.queue",
    "log_cb",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "message.timeout.ms",
    "metadata.broker.list",
    "oauthbearer_token_refresh_cb",
    "offset.store.method",
    "offset_commit_cb",
    "opaque",
    "open_cb",
    "partition.assignment.strategy",
    "partitioner_cb",
    "plugin.library.paths",
    "queued.max.messages.kbytes",
    "rebalance_cb",
    "request.required.acks",
    "resolve_cb",
    "socket_cb",
    "ssl_engine_callback_data",
    "ssl.certificate.verify_cb",
    "ssl.engine.location",
    "stats_cb",
    "test.mock.broker.rtt",
    "test.mock.num.brokers",
    "throttle_cb",
    "transactional.id",
});

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::ceil<std::chrono::milliseconds>(duration).count();
}

absl::Status Set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
  if (value.starts_with(' ')) {
    return absl::InvalidArgumentError(fmt::format(
        "broker.kafka.properties: \"{}\": begins with a blank, which librdkafka would leave out",
        name));
  }
  std::array<char, 256> why{};
  if (rd_kafka_conf_set(conf, name, value.c_str(), why.data(), why.size()) == RD_KAFKA_CONF_OK) {
    return absl::OkStatus();
  }
  // librdkafka's text may repeat the value, which may be a secret.
  return absl::InvalidArgumentError(fmt::format(
      "broker.kafka.properties: \"{}\": {}", name,
      IsKnownProperty(name) ? "librdkafka does not take this value" : "unknown property"));
}

// Ours first, so that a property may override what is only a good default.
absl::StatusOr<KafkaConf> MakeConf(const KafkaBrokerOptions& options,
                                   const std::vector<Setting>& settings, KafkaLog& log) {
  KafkaConf conf(rd_kafka_conf_new());
  for (const auto& [name, value] : settings) {
    if (absl::Status set = Set(conf.get(), name, value); !set.ok()) return set;
  }
  for (const auto& [name, value] : options.properties) {
    if (IsReservedProperty(name)) {
      return absl::InvalidArgumentError(fmt::format(
          "broker.kafka.properties: \"{}\" is set by the gateway itself: remove it", name));
    }
    if (absl::Status set = Set(conf.get(), name.c_str(), value); !set.ok()) return set;
  }
  rd_kafka_conf_set_opaque(conf.get(), &log);
  rd_kafka_conf_set_log_cb(conf.get(), &KafkaLog::Callback);
  return conf;
}

// librdkafka puts its figures together for each client and partition: not more often than a scrape.
const char* StatisticsIntervalOf(const KafkaBrokerOptions& options) {
  return options.metrics != nullptr ? "5000" : "0";
}

std::vector<Setting> CommonSettings(const KafkaBrokerOptions& options) {
  return {
      {"bootstrap.servers", fmt::format("{}", fmt::join(options.bootstrap_servers, ","))},
      {"client.id", options.client_id},
      {"allow.auto.create.topics", "false"},
      {"socket.timeout.ms", "15000"},
      {"socket.nagle.disable", "true"},
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "2000"},
      {"topic.metadata.propagation.max.ms", "5000"},
      // One request of the size of a record fits whatever the two limits are.
      {"message.max.bytes", fmt::format("{}", options.max_event_bytes + kRecordOverhead)},
      {"receive.message.max.bytes", "100000000"},
  };
}

}  // namespace

std::string KafkaLibraryVersion() { return rd_kafka_version_str(); }

bool IsKnownProperty(std::string_view name) {
  // Asked by setting it: those that have no default ("sasl.password") and those of topics cannot be
  // read from a new configuration. Whether it takes the empty value does not matter.
  const KafkaConf conf(rd_kafka_conf_new());
  const std::string terminated(name);
  return rd_kafka_conf_set(conf.get(), terminated.c_str(), "", nullptr, 0) != RD_KAFKA_CONF_UNKNOWN;
}

bool IsReservedProperty(std::string_view name) {
  return std::find(kReserved.begin(), kReserved.end(), name) != kReserved.end();
}

std::span<const std::string_view> ReservedProperties() { return kReserved; }

absl::StatusOr<KafkaConf> MakeProducerConf(const KafkaBrokerOptions& options, KafkaLog& log) {
  std::vector<Setting> settings = CommonSettings(options);
  settings.insert(
      settings.end(),
      {
          {"statistics.interval.ms", StatisticsIntervalOf(options)},
          {"acks", "all"},
          {"enable.idempotence", "true"},
          {"delivery.report.only.error", "true"},  // KafkaProducer hears of the rest elsewhere
          {"max.in.flight.requests.per.connection", "5"},
          {"linger.ms",
           fmt::format("{}", std::chrono::duration<double, std::milli>(options.linger).count())},
          {"message.timeout.ms", fmt::format("{}", Milliseconds(options.publish_timeout))},
          // The gateway's own admission is the only bound. A dead letter may be larger than any
          // event that it takes: the broker decides.
          {"message.max.bytes", fmt::format("{}", kLargestRecord)},
          {"queue.buffering.max.messages", "0"},
          {"queue.buffering.max.kbytes", "2147483647"},
      });
  absl::StatusOr<KafkaConf> conf = MakeConf(options, settings, log);
  if (conf.ok()) {
    rd_kafka_conf_set_events((*conf).get(),
                             RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS);
  }
  return conf;
}

absl::StatusOr<KafkaConf> MakeAdminConf(const KafkaBrokerOptions& options, KafkaLog& log) {
  return MakeConf(options, CommonSettings(options), log);
}

absl::StatusOr<KafkaConf> MakeConsumerConf(const KafkaBrokerOptions& options,
                                           const ConsumerOptions& consumer,
                                           std::uint64_t fetch_bytes, KafkaLog& log) {
  std::vector<Setting> settings = CommonSettings(options);
  settings.insert(
      settings.end(),
      {
          // A group id is needed to assign by hand too; nothing is ever committed under this one.
          {"group.id", consumer.group.empty() ? kBroadcastGroup : consumer.group},
          {"statistics.interval.ms", StatisticsIntervalOf(options)},
          {"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"auto.offset.reset", "error"},
          {"isolation.level", "read_committed"},
          {"check.crcs", "true"},
          // Until it looks again whether what was fetched ahead is used up: docs/adr/0082.
          {"fetch.queue.backoff.ms", "5"},
          {"topic.metadata.refresh.interval.ms", "10000"},
          {"queued.max.messages.kbytes", fmt::format("{}", fetch_bytes / kKiB)},
          {"fetch.message.max.bytes", fmt::format("{}", fetch_bytes)},
          {"fetch.max.bytes",
           fmt::format("{}", std::max(4 * kKiB * kKiB, options.max_event_bytes + kRecordOverhead))},
      });
  if (!consumer.member.empty()) {
    settings.emplace_back("client.id", fmt::format("{}-{}", options.client_id, consumer.member));
  }
  if (consumer.reads_to_end) settings.emplace_back("enable.partition.eof", "true");
  if (IsStatic(options, consumer)) {
    settings.emplace_back("group.instance.id", options.static_member);
  }
  if (!consumer.group.empty() && options.group_protocol != GroupProtocol::kClassic) {
    settings.emplace_back("group.protocol", "consumer");
    // With this protocol the brokers say it, and librdkafka refuses to be told.
    KafkaBrokerOptions without = options;
    without.properties.erase(kSessionTimeout);
    without.properties.erase(kHeartbeatInterval);
    return MakeConf(without, settings, log);
  }
  settings.emplace_back("group.protocol", "classic");
  settings.emplace_back(
      "partition.assignment.strategy",
      options.assignor == Assignor::kCooperativeSticky ? "cooperative-sticky" : "range");
  if (options.session_timeout > Duration(0)) {
    const std::int64_t session = Milliseconds(options.session_timeout);
    settings.emplace_back(kSessionTimeout, fmt::format("{}", session));
    settings.emplace_back(kHeartbeatInterval, fmt::format("{}", session / 10));
  }
  return MakeConf(options, settings, log);
}

bool IsIncremental(const KafkaBrokerOptions& options) {
  return options.group_protocol != GroupProtocol::kClassic || options.assignor != Assignor::kRange;
}

bool IsStatic(const KafkaBrokerOptions& options, const ConsumerOptions& consumer) {
  return !options.static_member.empty() && !consumer.group.empty() && !consumer.reads_to_end;
}

Duration SessionTimeoutOf(const KafkaBrokerOptions& options) {
  std::int64_t ms = 0;
  const auto property = options.properties.find(kSessionTimeout);
  if (property != options.properties.end() && absl::SimpleAtoi(property->second, &ms) && ms > 0) {
    return std::chrono::milliseconds(ms);
  }
  return options.session_timeout > Duration(0) ? options.session_timeout : kDefaultSessionTimeout;
}

std::uint64_t FetchBytesFor(std::uint64_t buffer_bytes, std::uint64_t partitions) {
  constexpr std::uint64_t kMost = 4 * kKiB * kKiB;
  if (buffer_bytes == 0) return kMost;
  if (partitions > FetchablePartitions(buffer_bytes)) return 0;
  return std::clamp(buffer_bytes / std::max<std::uint64_t>(partitions, 1), kLeastFetch, kMost);
}

std::uint64_t FetchablePartitions(std::uint64_t buffer_bytes) { return buffer_bytes / kLeastFetch; }

absl::StatusOr<KafkaClient> MakeClient(rd_kafka_type_t type, KafkaConf conf) {
  std::array<char, 512> why{};
  KafkaClient client(rd_kafka_new(type, conf.get(), why.data(), why.size()));
  if (client == nullptr) {
    return absl::InvalidArgumentError(
        fmt::format("cannot make a Kafka client: {}", std::string_view(why.data())));
  }
  (void)conf.release();  // the client has it now
  return client;
}

absl::Status CheckProperties(const KafkaBrokerOptions& options) {
  KafkaBrokerOptions without = options;
  without.bootstrap_servers.clear();
  KafkaLog log("check");
  absl::StatusOr<KafkaConf> conf = MakeProducerConf(without, log);
  if (!conf.ok()) return conf.status();
  // It has no servers by intent, and what else it warns of the real producer says again.
  rd_kafka_conf_set_log_cb(conf->get(), [](const rd_kafka_t*, int, const char*, const char*) {});
  return MakeClient(RD_KAFKA_PRODUCER, *std::move(conf)).status();
}

}  // namespace sidebus
