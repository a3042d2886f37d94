#include "server/config/config_table.h"

#include <algorithm>

namespace sidebus {
namespace {

// The words are in the order of the enumerators.
template <auto Member>
ChoiceField Choice(std::vector<std::string_view> words, std::vector<std::string_view> later = {}) {
  using Enum = std::remove_reference_t<decltype(Member(std::declval<Config&>()))>;
  return {std::move(words), std::move(later),
          [](Config& config) { return static_cast<std::size_t>(Member(config)); },
          [](Config& config, std::size_t index) { Member(config) = static_cast<Enum>(index); }};
}

using enum Support;

// clang-format 14 tears lambdas with a trailing type apart.
// clang-format off
const std::vector<ConfigRow>& Rows() {
  static const std::vector<ConfigRow> rows{
      // Path, where it lands, default, smallest, largest, support, help.
      {"listen", ListenField{}, "[127.0.0.1:7420]", "", "", kYes,
       "Where the application API listens: addresses (`host:port` or `unix:/path`), or maps with "
       "the keys below."},
      {"listen[].address", AnyField{}, "", "", "", kYes,
       "`host:port` or `unix:/path`; port 0 takes any free one."},
      {"listen[].name", AnyField{}, "", "", "", kYes,
       "Names the listener in identities and logs. Default: the socket's file name without "
       "`.sock`, or the address."},
      {"listen[].mode", AnyField{}, "\"0660\"", "", "", kYes,
       "Permissions of the socket file, octal digits in quotes."},
      {"listen[].group", AnyField{}, "", "", "", kYes,
       "Group that owns the socket file. Default: the process's."},
      {"listen[].allow_insecure", AnyField{}, "false", "", "", kYes,
       "Accept an address that other machines can reach although there is no TLS."},
      {"listen[].tls", AnyField{}, "", "", "", kNo,
       "TLS of this listener."},
      {"listen[].tokens", AnyField{}, "", "", "", kNo,
       "Whether callers need a token."},
      {"admin", [](Config& c) -> auto& { return c.admin; }, "127.0.0.1:7421", "", "", kYes,
       "HTTP listener for probes and metrics."},
      {"admin_pages", [](Config& c) -> auto& { return c.admin_pages; }, "false", "", "", kYes,
       "Show the status page, which names groups and topics, also where `admin` is an address that "
       "other machines can reach. On the loopback interface it is always there, at `/`."},
      {"probes", [](Config& c) -> auto& { return c.probes; }, "", "", "", kYes,
       "HTTP listener for /livez, /readyz and /startupz alone. Absent: they are on `admin` only."},
      {"admin_api", [](Config& c) -> auto& { return c.admin_api; }, "", "", "", kYes,
       "Where EventBusAdmin, the API for operators, listens: `unix:/path`, or `host:port` on the "
       "loopback interface, for there is no TLS yet. Absent: nowhere."},
      {"source", [](Config& c) -> auto& { return c.source; }, "/sidebus", "", "", kYes,
       "CloudEvents source of events that come without one."},
      {"topic_prefix", [](Config& c) -> auto& { return c.topic_prefix; }, "", "", "", kYes,
       "Full topic name = prefix + `-` + topic. Absent or empty: no prefix. Also from "
       "EVENT_BUS_TOPIC_PREFIX."},
      {"producer_config", ProducerConfigField{}, "", "", "", kYes,
       "Which event types go to which topics: {event type: {topic: {event_key_field, enabled}}}, "
       "as in EVENT_BUS_PRODUCER_CONFIG."},
      {"producer_config_file", ProducerConfigFileField{}, "", "", "", kYes,
       "File with a producer config, merged over `producer_config` field by field. Relative to "
       "this file."},
      {"broker.kind",
       Choice<[](Config& c) -> auto& { return c.broker.kind; }>({"embedded", "kafka"}, {"redis"}),
       "", "", "", kYes,
       "Required, unless --broker or --bootstrap-servers says it. `embedded` is Kafka's mock in "
       "this process, for development."},
      {"broker.kafka.bootstrap_servers", ServersField{}, "", "", "", kYes,
       "List of `host:port`; required for kind `kafka`."},
      {"broker.kafka.properties", PropertiesField{}, "{}", "", "", kYes,
       "librdkafka properties by name, for what has no key here."},
      {"broker.kafka.username_file", AnyField{}, "", "", "", kNo,
       "File with the SASL user name."},
      {"broker.kafka.password_file", AnyField{}, "", "", "", kNo,
       "File with the SASL password."},
      {"broker.kafka.ca_file", AnyField{}, "", "", "", kNo,
       "Certificates to trust."},
      {"broker.kafka.certificate_file", AnyField{}, "", "", "", kNo,
       "Client certificate."},
      {"broker.kafka.key_file", AnyField{}, "", "", "", kNo,
       "Key of the client certificate."},
      {"schema_registry.url", [](Config& c) -> auto& { return c.schema_registry.url; },
       "", "", "", kYes,
       "Schema registry with Confluent's API: `http://registry:8081`, with the path that the API is "
       "under, if there is one, and without a user and a password, which have files. `encoding: "
       "openedx` needs it. Files below are relative to this one."},
      {"schema_registry.username_file",
       [](Config& c) -> auto& { return c.schema_registry.username_file; }, "", "", "", kYes,
       "File with the user name for it; with `password_file`, or neither."},
      {"schema_registry.password_file",
       [](Config& c) -> auto& { return c.schema_registry.password_file; }, "", "", "", kYes,
       "File with the password for it."},
      {"schema_registry.ca_file", [](Config& c) -> auto& { return c.schema_registry.ca_file; },
       "", "", "", kYes,
       "Certificates to trust. Default: those of the system."},
      {"schema_registry.timeout", [](Config& c) -> auto& { return c.schema_registry.timeout; },
       "2s", "100ms", "1m", kYes,
       "Longest wait for an answer of it."},
      {"schema_registry.register",
       Choice<[](Config& c) -> auto& { return c.schema_registry.registering; }>(
           {"first_use", "load", "never"}),
       "first_use", "", "", kYes,
       "Who registers a schema that it does not know: the gateway, with the first event that needs "
       "it (`first_use`); the gateway, when it starts, those of `schemas.directory` and `routes` and "
       "no others (`load`); or somebody else (`never`). Events with others are refused. A registry that is "
       "down does not hold up the start: it is asked again until it answers."},
      {"encoding",
       Choice<[](Config& c) -> auto& { return c.encoding; }>({"cloudevents", "openedx"}),
       "cloudevents", "", "", kYes,
       "How records are written: `cloudevents` (binary mode) or `openedx` (Avro with the ids of a "
       "schema registry, as the event bus of Open edX has it)."},
      {"schemas.directory", [](Config& c) -> auto& { return c.schemas_directory; },
       "", "", "", kYes,
       "Directory of Avro schemas for events that bring none along, as `manage.py "
       "generate_avro_schemas` names them: the event type with `+` for `.`, and `_schema.avsc`. "
       "Relative to this file."},
      {"routes", RoutesField{}, "", "", "", kYes,
       "What single routes of the producer config have of their own: {event type: {topic: "
       "{encoding, schema, partitioner}}}. `encoding` instead of the one above; `schema`: a file with "
       "an Avro schema, instead of the one in `schemas.directory`, relative to this file; "
       "`partitioner`: `consistent_random`, others *later*."},
      {"dead_letter", Choice<[](Config& c) -> auto& { return c.dead_letter.use; }>({"on", "off"}),
       "on", "", "", kYes,
       "Where events go that used up their attempts or were rejected: a map of the keys below, or "
       "`off`. When off, such an event holds its key back until somebody settles it."},
      {"dead_letter.topic", [](Config& c) -> auto& { return c.dead_letter.topic; },
       "\"{topic}.{group}.dead\"", "", "", kYes,
       "Name of the dead-letter topic, without the topic prefix; `{topic}` and `{group}` stand for "
       "those of the event."},
      {"dead_letter.create", [](Config& c) -> auto& { return c.dead_letter.create; },
       "true", "", "", kYes,
       "Make the topic, when the first event goes there, with the partitions and replicas of the "
       "event's own."},
      {"publish.timeout", [](Config& c) -> auto& { return c.publish.timeout; },
       "30s", "100ms", "1h", kYes,
       "Longest wait for an event to be confirmed."},
      {"publish.stream_in_flight.events",
       [](Config& c) -> auto& { return c.publish.stream_in_flight.events; },
       "10000", "1", "", kYes,
       "Events of one publish stream that may be unanswered."},
      {"publish.stream_in_flight.bytes",
       [](Config& c) -> auto& { return c.publish.stream_in_flight.bytes; },
       "8MiB", "1KiB", "", kYes,
       "The same in bytes."},
      {"subscribe.lease", [](Config& c) -> auto& { return c.subscribe.lease; },
       "60s", "100ms", "24h", kYes,
       "How long a subscriber may hold a delivery that asks for no lease of its own."},
      {"subscribe.min_lease", [](Config& c) -> auto& { return c.subscribe.min_lease; },
       "1s", "100ms", "24h", kYes,
       "Shortest lease a subscriber may ask for."},
      {"subscribe.max_lease", [](Config& c) -> auto& { return c.subscribe.max_lease; },
       "1h", "100ms", "24h", kYes,
       "Longest lease a subscriber may ask for."},
      {"subscribe.max_attempts", [](Config& c) -> auto& { return c.subscribe.max_attempts; },
       "5", "1", "1000000", kYes,
       "Deliveries of one event before it is exhausted."},
      {"subscribe.min_backoff", [](Config& c) -> auto& { return c.subscribe.min_backoff; },
       "500ms", "1ms", "24h", kYes,
       "Wait before the second attempt; doubles with each."},
      {"subscribe.max_backoff", [](Config& c) -> auto& { return c.subscribe.max_backoff; },
       "30s", "1ms", "24h", kYes,
       "Longest wait between attempts."},
      {"subscribe.max_delay", [](Config& c) -> auto& { return c.subscribe.max_delay; },
       "15m", "0s", "24h", kYes,
       "Longest delay that a nack may ask for."},
      {"subscribe.window.events", [](Config& c) -> auto& { return c.subscribe.window.events; },
       "100", "1", "", kYes,
       "Unsettled events of a stream that names no window."},
      {"subscribe.window.bytes", [](Config& c) -> auto& { return c.subscribe.window.bytes; },
       "4MiB", "1KiB", "", kYes,
       "The same in bytes."},
      {"subscribe.max_window.events",
       [](Config& c) -> auto& { return c.subscribe.max_window.events; },
       "1000", "1", "", kYes,
       "Most unsettled events that a stream may ask for."},
      {"subscribe.max_window.bytes",
       [](Config& c) -> auto& { return c.subscribe.max_window.bytes; },
       "16MiB", "1KiB", "", kYes,
       "The same in bytes."},
      {"subscribe.linger", [](Config& c) -> auto& { return c.subscribe.linger; },
       "10s", "0s", "1h", kYes,
       "How long a subscription waits for a stream that broke off."},
      {"subscribe.revoke_grace", [](Config& c) -> auto& { return c.subscribe.revoke_grace; },
       "2s", "0s", "5m", kYes,
       "How long holders may settle when a partition goes to another member of the group."},
      {"subscribe.max_interruptions",
       [](Config& c) -> auto& { return c.subscribe.max_interruptions; },
       "10", "1", "1000000", kYes,
       "How often the holders of an event may vanish before it is exhausted."},
      {"subscribe.on_undecodable",
       Choice<[](Config& c) -> auto& { return c.subscribe.on_undecodable; }>(
           {"dead_letter", "skip", "halt"}),
       "dead_letter", "", "", kYes,
       "What happens to a record that is no event. `halt`: it holds its key back; also what "
       "`dead_letter` means when that is off."},
      {"subscribe.on_truncated",
       Choice<[](Config& c) -> auto& { return c.subscribe.on_truncated; }>({"earliest", "halt"}),
       "earliest", "", "", kYes,
       "What happens when a group's position is beyond the end of a partition's log, which was "
       "truncated or made anew. `earliest`: it goes on at the beginning. `halt`: its streams end "
       "with LOG_TRUNCATED until somebody seeks."},
      {"subscribe.group_protocol",
       Choice<[](Config& c) -> auto& { return c.subscribe.group_protocol; }>(
           {"classic", "consumer", "auto"}),
       "classic", "", "", kYes,
       "Kafka's rebalance protocol. `consumer` (KIP-848) needs Kafka 4; `auto` uses it where the "
       "brokers have it."},
      {"subscribe.assignor",
       Choice<[](Config& c) -> auto& { return c.subscribe.assignor; }>(
           {"range", "cooperative-sticky"}),
       "range", "", "", kYes,
       "How members share out partitions in the classic protocol. All members of a group need the "
       "same."},
      {"subscribe.static_member", [](Config& c) -> auto& { return c.subscribe.static_member; },
       "", "", "", kYes,
       "group.instance.id of this process: it keeps its partitions while it restarts, and is a "
       "member until its session is over. `${NAME}` is the environment variable, as in "
       "`${POD_NAME}`."},
      {"limits.max_event_bytes", [](Config& c) -> auto& { return c.limits.max_event_bytes; },
       "1000000B", "1KiB", "64MiB", kYes,
       "Largest event: data, key, header names and values. The broker has a limit of its own."},
      {"limits.max_request_bytes", [](Config& c) -> auto& { return c.limits.max_request_bytes; },
       "4MiB", "1KiB", "256MiB", kYes,
       "Largest message of a client."},
      {"limits.max_events_per_request",
       [](Config& c) -> auto& { return c.limits.max_events_per_request; },
       "1000", "1", "100000", kYes,
       "Events in one publish request or stream message."},
      {"limits.memory", [](Config& c) -> auto& { return c.limits.memory; },
       "128MiB", "16MiB", "", kYes,
       "Memory for events: 30 % publish, 50 % subscribe, 5 % dead letters; with a schema registry "
       "10 % for schemas, and then at least 64MiB; the rest slack."},
      {"limits.max_streams", [](Config& c) -> auto& { return c.limits.max_streams; },
       "256", "1", "100000", kYes,
       "Open streams of all clients."},
      {"limits.max_connections", [](Config& c) -> auto& { return c.limits.max_connections; },
       "128", "1", "100000", kYes,
       "Open connections of all clients."},
      {"limits.max_subscriptions", [](Config& c) -> auto& { return c.limits.max_subscriptions; },
       "32", "1", "10000", kYes,
       "Consumer groups in this process."},
      {"limits.max_broadcast_streams",
       [](Config& c) -> auto& { return c.limits.max_broadcast_streams; },
       "16", "0", "10000", kYes,
       "Streams without a group."},
      {"readiness.kafka",
       Choice<[](Config& c) -> auto& { return c.readiness; }>({"ignore", "any", "all"}),
       "ignore", "", "", kYes,
       "Which brokers must be reachable for /readyz."},
      {"startup.require_broker", [](Config& c) -> auto& { return c.startup_require_broker; },
       "false", "", "", kYes,
       "Whether /startupz waits for a broker."},
      {"metrics.per_partition", AnyField{}, "false", "", "", kDefaultOnly,
       "Whether metrics have a label for the partition."},
      {"metrics.max_groups", [](Config& c) -> auto& { return c.metrics_max_groups; },
       "50", "1", "10000", kYes,
       "Groups with metrics of their own; the others share one label."},
      {"access", AnyField{}, "", "", "", kNo,
       "Who may publish and subscribe to what."},
      {"tls", AnyField{}, "", "", "", kNo,
       "Certificate of the application API."},
      {"shutdown.grace", [](Config& c) -> auto& { return c.shutdown_grace; },
       "20s", "1s", "1h", kYes,
       "Time from SIGTERM to exit. Less than Kubernetes' terminationGracePeriodSeconds."},
      {"log.level",
       Choice<[](Config& c) -> auto& { return c.log.level; }>(
           {"debug", "info", "warning", "error"}),
       "info", "", "", kYes,
       "Least level that is logged."},
      {"log.format", Choice<[](Config& c) -> auto& { return c.log.format; }>({"text", "json"}),
       "json", "", "", kYes,
       "Form of log lines."},
      {"reflection", [](Config& c) -> auto& { return c.reflection; }, "false", "", "", kYes,
       "gRPC server reflection."},
  };
  return rows;
}
// clang-format on

}  // namespace

std::span<const ConfigRow> ConfigTable() { return Rows(); }

const ConfigRow* FindRow(std::string_view path) {
  const auto it = std::find_if(Rows().begin(), Rows().end(),
                               [&](const ConfigRow& row) { return row.path == path; });
  return it == Rows().end() ? nullptr : &*it;
}

bool HasRowsBelow(std::string_view path) {
  return std::any_of(Rows().begin(), Rows().end(), [&](const ConfigRow& row) {
    return row.path.size() > path.size() && row.path.starts_with(path) &&
           row.path[path.size()] == '.';
  });
}

std::string_view TypeName(const ConfigRow& row) {
  if (row.path == "listen[].allow_insecure" || row.path == "metrics.per_partition") {
    return "true or false";
  }
  if (row.path == "listen[].address") return "address";
  struct Name {
    std::string_view operator()(const AnyField&) const { return "text"; }
    std::string_view operator()(const FieldOf<bool>&) const { return "true or false"; }
    std::string_view operator()(const FieldOf<std::uint32_t>&) const { return "number"; }
    std::string_view operator()(const FieldOf<std::uint64_t>&) const { return "size"; }
    std::string_view operator()(const FieldOf<Duration>&) const { return "duration"; }
    std::string_view operator()(const FieldOf<std::string>&) const { return "text"; }
    std::string_view operator()(const FieldOf<Address>&) const { return "address"; }
    std::string_view operator()(const FieldOf<std::optional<Address>>&) const { return "address"; }
    std::string_view operator()(const ChoiceField&) const { return "word"; }
    std::string_view operator()(const ListenField&) const { return "list of addresses or maps"; }
    std::string_view operator()(const PropertiesField&) const { return "map of texts"; }
    std::string_view operator()(const ServersField&) const { return "list of addresses"; }
    std::string_view operator()(const ProducerConfigField&) const { return "map"; }
    std::string_view operator()(const RoutesField&) const { return "map"; }
    std::string_view operator()(const ProducerConfigFileField&) const { return "file"; }
  };
  return std::visit(Name(), row.field);
}

}  // namespace sidebus
