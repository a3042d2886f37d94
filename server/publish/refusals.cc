#include "server/publish/refusals.h"

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/base/utf8.h"
#include "server/codec/schema_names.h"

namespace sidebus {
namespace {

// Anybody may ask for any topic: what is no topic name is not repeated at length.
std::string Shortened(const std::string& name) { return std::string(CutUtf8(name, 249)); }

}  // namespace

absl::Status EventTooLarge(std::uint64_t bytes, std::uint64_t limit) {
  return MakeError(Reason::kEventTooLarge,
                   fmt::format("the event has {} bytes of data, key and headers; at most {} are "
                               "allowed (limits.max_event_bytes)",
                               bytes, limit),
                   {{std::string(error_key::kLimit), std::to_string(limit)}});
}

absl::Status EventTypeUnknown(const std::string& type) {
  return MakeError(Reason::kEventTypeUnknown,
                   fmt::format("event type \"{}\" is not in the producer config; add it to "
                               "producer_config with the topic that it goes to",
                               type),
                   {{std::string(error_key::kEventType), type}});
}

absl::Status TopicNotRouted(const std::string& type, const std::string& topic) {
  return MakeError(
      Reason::kTopicNotRouted,
      fmt::format("event type \"{}\" has no route to topic \"{}\"; add the topic to the "
                  "type in producer_config (names are without the prefix)",
                  type, Shortened(topic)),
      {{std::string(error_key::kEventType), type},
       {std::string(error_key::kTopic), Shortened(topic)}});
}

absl::Status RouteDisabled(const std::string& type, const std::string& topic) {
  ErrorMetadata metadata = {{std::string(error_key::kEventType), type}};
  if (topic.empty()) {
    return MakeError(Reason::kRouteDisabled,
                     fmt::format("event type \"{}\" has no enabled route; set `enabled: true` for "
                                 "one of its topics in producer_config",
                                 type),
                     metadata);
  }
  metadata[std::string(error_key::kTopic)] = topic;
  return MakeError(
      Reason::kRouteDisabled,
      fmt::format("event type \"{}\" is disabled for topic \"{}\"; set `enabled: true` "
                  "for it in producer_config",
                  type, topic),
      metadata);
}

absl::Status NoKeyWithoutData(const std::string& type, const std::string& key_field) {
  return MakeError(
      Reason::kKeyFieldMissing,
      fmt::format("no record key: event type \"{}\" has event_key_field \"{}\" and the "
                  "event has no data to read it from; set the event's key",
                  type, key_field),
      {{std::string(error_key::kEventType), type}, {std::string(error_key::kField), key_field}});
}

absl::Status TopicMissing(const std::string& topic) {
  return MakeError(
      Reason::kTopicMissing,
      fmt::format("topic \"{}\" does not exist on the broker; create it (the gateway "
                  "never creates topics by itself), with the topic prefix if one is set",
                  topic),
      {{std::string(error_key::kTopic), topic}});
}

absl::Status BrokerDown() {
  return MakeError(Reason::kBrokerDown,
                   "no broker could be reached in time, so the event was not handed on; try again");
}

absl::Status SchemaMissing(const std::string& type) {
  const std::optional<std::string> file = SchemaFileName(type);
  return MakeError(
      Reason::kSchemaMissing,
      fmt::format("the Avro schema of event type \"{}\" is not known; send it with the "
                  "event (schema){}{}",
                  type, file.has_value() ? ", or put it into schemas.directory as " : "",
                  file.value_or("")),
      {{std::string(error_key::kEventType), type}});
}

absl::Status RegistryTooSlow() {
  return MakeError(
      Reason::kRegistryDown,
      "the schema registry did not answer in time, so the event was not handed on; try "
      "again");
}

absl::Status Draining() {
  return MakeError(Reason::kDraining,
                   "the gateway is stopping and takes no more events; try again, it may be back");
}

absl::Status DeadlineTooShort() {
  return MakeError(Reason::kDeliveryTimeout,
                   "the call's deadline leaves no time to publish, so nothing was handed on; the "
                   "gateway answers 50 ms (or 5 %) before it: give it a longer one");
}

}  // namespace sidebus
