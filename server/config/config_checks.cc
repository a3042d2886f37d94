#include "server/config/config_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "server/config/units.h"
#include "server/event/topic_name.h"

namespace sidebus {
namespace {

// `path` must not be more than the bound, which is `share` of the value at `bound_path`. The
// problem is shown at the key that was given.
template <typename T, typename Format>
void AtMost(ConfigDraft& draft, std::string_view path, T value, std::string_view bound_path,
            T bound, Format format, std::string_view share = "") {
  // A value that could not be read is still the default: no point in comparing it.
  if (value <= bound || draft.has_problem(path) || draft.has_problem(bound_path)) return;
  const bool show_bound = !draft.given(path) && draft.given(bound_path);
  draft.AddProblem(
      show_bound ? bound_path : path,
      fmt::format("{} ({}) is more than {}{} ({}); lower the first or raise the second", path,
                  format(value), share, bound_path, format(bound)));
}

std::string FormatCount(std::uint32_t count) { return std::to_string(count); }

bool IsFixed(const Address& address) { return address.is_unix() || address.port != 0; }

// No two listeners on one address; the problem is shown at `path`, or where another one was given.
void MustBeFree(ConfigDraft& draft, std::string_view path, const Address& address,
                const std::vector<std::pair<std::string_view, Address>>& taken) {
  if (!IsFixed(address)) return;
  const auto other = std::find_if(taken.begin(), taken.end(),
                                  [&](const auto& one) { return one.second == address; });
  if (other == taken.end()) return;
  draft.AddProblem(draft.given(path) ? path : other->first,
                   fmt::format("{} and {} are both {}; choose another {}", other->first, path,
                               address.ToString(), address.is_unix() ? "path" : "port"));
}

void CheckAdminApi(ConfigDraft& draft, const Address& address) {
  if (address.is_unix()) {
    if (const std::string what = SocketProblem(address.path); !what.empty()) {
      draft.AddProblem("admin_api", what);
    }
  } else if (!address.is_loopback()) {
    draft.AddProblem("admin_api",
                     fmt::format("{} can be reached by other machines and there is no TLS; listen "
                                 "on a Unix socket or 127.0.0.1",
                                 address.ToString()));
  }
}

void CheckAddresses(ConfigDraft& draft) {
  const Config& config = draft.config;
  const auto must_be_tcp = [&](std::string_view path, const Address& address) {
    if (!address.is_unix()) return;
    draft.AddProblem(path, fmt::format("{} is HTTP over TCP; write host:port", path));
  };
  std::vector<std::pair<std::string_view, Address>> taken;
  for (const ListenConfig& listener : config.listen) taken.emplace_back("listen", listener.address);
  must_be_tcp("admin", config.admin);
  MustBeFree(draft, "admin", config.admin, taken);
  taken.emplace_back("admin", config.admin);
  if (config.probes) {
    must_be_tcp("probes", *config.probes);
    MustBeFree(draft, "probes", *config.probes, taken);
    taken.emplace_back("probes", *config.probes);
  }
  if (config.admin_api) {
    CheckAdminApi(draft, *config.admin_api);
    MustBeFree(draft, "admin_api", *config.admin_api, taken);
  }
}

void CheckBroker(ConfigDraft& draft) {
  if (draft.has_problem("broker")) return;
  if (!draft.given("broker.kind")) {
    draft.AddProblem("broker.kind",
                     "is missing; write broker: {kind: kafka} or embedded, or give --broker");
  } else if (draft.config.broker.kind == BrokerKind::kKafka &&
             !draft.given("broker.kafka.bootstrap_servers")) {
    draft.AddProblem("broker.kafka.bootstrap_servers",
                     "is missing; write for example [broker-1:9092], or give --bootstrap-servers");
  } else if (draft.config.broker.kind == BrokerKind::kEmbedded &&
             draft.config.subscribe.group_protocol == RebalanceProtocol::kConsumer) {
    draft.AddProblem("subscribe.group_protocol",
                     "the embedded broker has the classic protocol only; write classic or auto");
  }
}

// Kafka's names, and the two placeholders.
void CheckDeadLetter(ConfigDraft& draft) {
  constexpr std::string_view kPath = "dead_letter.topic";
  if (draft.has_problem(kPath)) return;
  std::string rest = draft.config.dead_letter.topic;
  for (const std::string_view placeholder : {"{topic}", "{group}"}) {
    for (std::size_t at = rest.find(placeholder); at != std::string::npos;
         at = rest.find(placeholder)) {
      rest.replace(at, placeholder.size(), 1, 'x');
    }
  }
  if (IsTopicName(rest)) return;
  draft.AddProblem(kPath,
                   fmt::format("\"{}\" makes no topic name: 1 to 249 of A-Z a-z 0-9 . _ - and the "
                               "placeholders {{topic}} and {{group}}",
                               draft.config.dead_letter.topic));
}

// What `routes` says against the rest.
void CheckRoutes(ConfigDraft& draft) {
  const Config& config = draft.config;
  for (const RouteOverride& route : draft.routes) {
    const bool openedx = route.encoding.value_or(config.encoding) == RecordEncoding::kOpenedx;
    if (!openedx && !route.schema_file.empty()) {
      draft.AddProblem(route.path + ".schema",
                       "records of CloudEvents have no schema; write encoding: openedx beside it, "
                       "or remove it");
    }
  }
}

// The key that asks for Open edX's encoding.
std::string OpenedxKey(const ConfigDraft& draft) {
  if (draft.config.encoding == RecordEncoding::kOpenedx) return "encoding";
  const auto route = std::ranges::find_if(draft.routes, [](const RouteOverride& one) {
    return one.encoding == RecordEncoding::kOpenedx;
  });
  return route == draft.routes.end() ? "encoding" : route->path + ".encoding";
}

bool HasSchemaFiles(const Config& config) {
  if (!config.schemas_directory.empty()) return true;
  return std::ranges::any_of(config.producer_config, [](const EventTypeConfig& type) {
    return std::ranges::any_of(type.routes,
                               [](const RouteConfig& route) { return !route.schema_file.empty(); });
  });
}

void CheckSchemas(ConfigDraft& draft) {
  const Config& config = draft.config;
  const SchemaRegistryConfig& registry = config.schema_registry;
  if (config.has_openedx() && registry.url.empty() && !draft.has_problem("schema_registry.url")) {
    draft.AddProblem(OpenedxKey(draft),
                     "openedx needs a schema registry; write for example schema_registry: {url: "
                     "\"http://registry:8081\"}, or give --schema-registry-url");
  }
  if (!registry.url.empty() && !registry.url.starts_with("http://") &&
      !registry.url.starts_with("https://")) {
    draft.AddProblem("schema_registry.url",
                     "expected http:// or https:// and a host, for example http://registry:8081");
  }
  // `config print` shows the URL. Wherever the '@' is: a password may have a '/' that it should not.
  if (registry.url.find('@') != std::string::npos) {
    draft.AddProblem("schema_registry.url",
                     "has an '@', as after a user and a password: put these into files, and name "
                     "them in username_file and password_file (an '@' of the path is %40)");
  }
  if (registry.username_file.empty() != registry.password_file.empty()) {
    const bool has_user = !registry.username_file.empty();
    draft.AddProblem(has_user ? "schema_registry.username_file" : "schema_registry.password_file",
                     fmt::format("comes without {}; give both or neither",
                                 has_user ? "password_file" : "username_file"));
  }
  if (registry.registering == RegisterSchemas::kLoad && !HasSchemaFiles(config) &&
      !draft.has_problem("schemas.directory") && !draft.has_problem("routes")) {
    draft.AddProblem(
        "schema_registry.register",
        "load registers the schemas of schemas.directory and of routes, and neither is "
        "given; give one, or write first_use");
  }
  constexpr std::uint64_t kLeastMemory = 64 * kMiB;
  if (!registry.url.empty() && config.limits.memory < kLeastMemory &&
      !draft.has_problem("limits.memory")) {
    draft.AddProblem("limits.memory",
                     fmt::format("{} is too little with a schema registry: a tenth is for schemas, "
                                 "which is too small for large ones; write {} or more",
                                 FormatSize(config.limits.memory), FormatSize(kLeastMemory)));
  }
  struct stat info {};
  const std::string& directory = config.schemas_directory;
  if (!directory.empty() && (::stat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))) {
    draft.AddProblem("schemas.directory", fmt::format("there is no directory {}", directory));
  }
}

// What the property says, or Kafka's default.
Duration PropertyOr(const Config& config, const std::string& name, Duration otherwise) {
  const auto property = config.broker.properties.find(name);
  std::int64_t ms = 0;
  if (property == config.broker.properties.end() || !absl::SimpleAtoi(property->second, &ms)) {
    return otherwise;
  }
  return std::chrono::milliseconds(ms);
}

// librdkafka refuses a poll interval below the session time-out, and a member that takes longer than
// that for a rebalance is put out of its group.
void CheckPollInterval(ConfigDraft& draft) {
  constexpr std::string_view kProperties = "broker.kafka.properties";
  constexpr Duration kCommit = std::chrono::seconds(4);
  if (draft.has_problem(kProperties) || draft.has_problem("subscribe.revoke_grace")) return;
  const Config& config = draft.config;
  const Duration interval =
      PropertyOr(config, "max.poll.interval.ms", std::chrono::milliseconds(300'000));
  const Duration session =
      PropertyOr(config, "session.timeout.ms", std::chrono::milliseconds(45'000));
  if (interval < session) {
    draft.AddProblem(kProperties,
                     fmt::format("max.poll.interval.ms ({}) is less than session.timeout.ms ({}); "
                                 "lower the second or raise the first",
                                 FormatDuration(interval), FormatDuration(session)));
  }
  if (interval < config.subscribe.revoke_grace + kCommit) {
    const bool given = draft.given("subscribe.revoke_grace");
    draft.AddProblem(given ? "subscribe.revoke_grace" : kProperties,
                     fmt::format("subscribe.revoke_grace ({}) and {} for the last commit are more "
                                 "than max.poll.interval.ms ({}): a member that takes so long is "
                                 "put out of its group",
                                 FormatDuration(config.subscribe.revoke_grace),
                                 FormatDuration(kCommit), FormatDuration(interval)));
  }
}

}  // namespace

std::string SocketProblem(const std::string& path) {
  const std::string parent = path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
  struct stat info {};
  if (::stat(parent.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return fmt::format("there is no directory {}; make it, or choose another path", parent);
  }
  if (::stat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return fmt::format("{} exists and is no socket; choose another path", path);
  }
  return "";
}

void CheckConfig(ConfigDraft& draft) {
  const Config& c = draft.config;
  const SubscribeConfig& s = c.subscribe;
  const LimitsConfig& l = c.limits;
  CheckBroker(draft);
  CheckAddresses(draft);
  CheckDeadLetter(draft);
  CheckRoutes(draft);
  CheckSchemas(draft);
  CheckPollInterval(draft);
  AtMost(draft, "subscribe.min_lease", s.min_lease, "subscribe.lease", s.lease, FormatDuration);
  AtMost(draft, "subscribe.lease", s.lease, "subscribe.max_lease", s.max_lease, FormatDuration);
  AtMost(draft, "subscribe.min_backoff", s.min_backoff, "subscribe.max_backoff", s.max_backoff,
         FormatDuration);
  AtMost(draft, "subscribe.window.events", s.window.events, "subscribe.max_window.events",
         s.max_window.events, FormatCount);
  AtMost(draft, "subscribe.window.bytes", s.window.bytes, "subscribe.max_window.bytes",
         s.max_window.bytes, FormatSize);
  AtMost(draft, "limits.max_event_bytes", l.max_event_bytes, "limits.max_request_bytes",
         l.max_request_bytes, FormatSize);
  AtMost(draft, "limits.max_event_bytes", l.max_event_bytes, "publish.stream_in_flight.bytes",
         c.publish.stream_in_flight.bytes, FormatSize);
  AtMost(draft, "limits.max_broadcast_streams", l.max_broadcast_streams, "limits.max_streams",
         l.max_streams, FormatCount);
  // One request must fit in the publish part of the memory, one window in the subscribe part.
  AtMost(draft, "limits.max_request_bytes", l.max_request_bytes, "limits.memory", l.memory / 10 * 3,
         FormatSize, "30 % of ");
  AtMost(draft, "publish.stream_in_flight.bytes", c.publish.stream_in_flight.bytes, "limits.memory",
         l.memory / 10 * 3, FormatSize, "30 % of ");
  AtMost(draft, "subscribe.max_window.bytes", s.max_window.bytes, "limits.memory", l.memory / 2,
         FormatSize, "50 % of ");
}

}  // namespace sidebus
