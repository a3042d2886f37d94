#include "server/config/kafka_properties.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sidebus {
namespace {

struct Refused {
  std::string_view name;
  std::string_view why;
};

constexpr std::string_view kCode = "it would make the gateway run other code";
constexpr std::string_view kLeak = "its output may contain secrets and payloads";
constexpr std::string_view kPromise = "what Sidebus promises depends on it";
constexpr std::string_view kPart = "Sidebus sets it for each producer and consumer";

constexpr auto kRefused = std::to_array<Refused>({
    {"plugin.library.paths", kCode},
    {"sasl.kerberos.kinit.cmd", kCode},
    {"ssl.engine.location", kCode},
    {"ssl.engine.id", kCode},
    {"ssl.providers", kCode},
    {"debug", kLeak},
    {"log_level", "set log.level"},
    {"log.queue", kPart},
    {"enabled_events", kPart},
    {"delivery.report.only.error", kPart},
    {"interceptors", kPart},
    {"log.thread.name", kPart},
    {"bootstrap.servers", "set broker.kafka.bootstrap_servers"},
    {"metadata.broker.list", "set broker.kafka.bootstrap_servers"},
    {"test.mock.num.brokers", "set broker.kind to embedded"},
    {"test.mock.broker.rtt", "set broker.kind to embedded"},
    {"statistics.interval.ms", kPart},
    {"topic.metadata.propagation.max.ms", kPart},
    {"allow.auto.create.topics", kPromise},
    // Producer.
    {"acks", kPromise},
    {"request.required.acks", kPromise},
    {"enable.idempotence", kPromise},
    {"enable.gapless.guarantee", kPromise},
    {"transactional.id", kPromise},
    {"transaction.timeout.ms", kPromise},
    {"max.in.flight", kPromise},
    {"max.in.flight.requests.per.connection", kPromise},
    {"retries", kPromise},
    {"message.send.max.retries", kPromise},
    {"queuing.strategy", kPromise},
    {"produce.offset.report", kPromise},
    {"delivery.report.only.error", kPromise},
    {"delivery.timeout.ms", "set publish.timeout"},
    {"message.timeout.ms", "set publish.timeout"},
    {"request.timeout.ms", "set publish.timeout"},
    {"message.max.bytes", "set limits.max_event_bytes"},
    {"queue.buffering.max.messages", "set limits.memory"},
    {"queue.buffering.max.kbytes", "set limits.memory"},
    {"queue.buffering.backpressure.threshold", kPart},
    {"partitioner", kPart},
    // Consumer.
    {"group.id", "subscribers name their group"},
    {"group.instance.id", "set subscribe.static_member"},
    {"group.protocol", "set subscribe.group_protocol"},
    {"group.protocol.type", "set subscribe.group_protocol"},
    {"group.remote.assignor", "set subscribe.assignor"},
    {"partition.assignment.strategy", "set subscribe.assignor"},
    {"enable.auto.commit", kPromise},
    {"auto.commit.enable", kPromise},
    {"auto.commit.interval.ms", kPromise},
    {"enable.auto.offset.store", kPromise},
    {"offset.store.method", kPromise},
    {"offset.store.path", kPromise},
    {"offset.store.sync.interval.ms", kPromise},
    {"auto.offset.reset", kPromise},
    {"isolation.level", kPromise},
    {"check.crcs", kPromise},
    {"enable.partition.eof", kPart},
    {"fetch.queue.backoff.ms", kPart},
    {"queued.min.messages", "set limits.memory"},
    {"queued.max.messages.kbytes", "set limits.memory"},
    {"fetch.message.max.bytes", "set limits.memory"},
    {"max.partition.fetch.bytes", "set limits.memory"},
    {"fetch.max.bytes", "set limits.memory"},
    {"receive.message.max.bytes", "set limits.memory"},
    {"consume.callback.max.messages", kPart},
});

bool EndsWithAny(std::string_view text, std::initializer_list<std::string_view> ends) {
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return text.ends_with(end); });
}

}  // namespace

std::string WhyRefused(std::string_view property, std::string_view value) {
  const auto it = std::find_if(kRefused.begin(), kRefused.end(),
                               [&](const Refused& refused) { return refused.name == property; });
  if (it != kRefused.end()) return std::string(it->why);
  // Functions and pointers, which text cannot give.
  if (EndsWithAny(property, {"_cb", "opaque", "_conf", "_callback_data"}))
    return std::string(kPart);
  if (property == "enable.ssl.certificate.verification" && value != "true") {
    return "brokers must prove who they are; trust their authority with ssl.ca.location";
  }
  if (property == "ssl.endpoint.identification.algorithm" && value != "https") {
    return "brokers must prove who they are; leave it at https";
  }
  return "";
}

bool IsSecretProperty(std::string_view property) {
  return property.find("password") != std::string_view::npos ||
         property.find("secret") != std::string_view::npos ||
         property.find("passphrase") != std::string_view::npos ||
         EndsWithAny(property, {"key.pem", "oauthbearer.config"});
}

}  // namespace sidebus
