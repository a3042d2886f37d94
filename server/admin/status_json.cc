#include <algorithm>
#include <chrono>
#include <string_view>

#include "fmt/format.h"
#include "server/admin/status_report.h"
#include "server/base/json_text.h"

namespace sidebus {
namespace {

std::string_view NameOf(RecordState state) {
  switch (state) {
    case RecordState::kDecoding:
      return "decoding";
    case RecordState::kReady:
      return "ready";
    case RecordState::kHeld:
      return "held";
    case RecordState::kWaiting:
      return "waiting";
    case RecordState::kDeadLettering:
      return "dead-lettering";
    case RecordState::kHalted:
      return "halted";
  }
  return "unknown";
}

double SecondsOf(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double UnixSeconds(SystemTime time) { return SecondsOf(time.time_since_epoch()); }

template <typename Items, typename AppendOne>
void AppendArray(std::string& out, const Items& items, AppendOne append_one) {
  out += '[';
  std::string_view separator;
  for (const auto& item : items) {
    out += separator;
    append_one(out, item);
    separator = ",";
  }
  out += ']';
}

void AppendText(std::string& out, const std::string& text) { out += JsonString(text); }

void AppendEventType(std::string& out, const EventTypeRoutes& type) {
  out += fmt::format(R"({{"type":{},"routes":)", JsonString(type.type));
  AppendArray(out, type.routes, [](std::string& to, const Route& route) {
    to += fmt::format(R"({{"topic":{},"key":{},"enabled":{}}})", JsonString(route.full_topic),
                      JsonString(route.key_path ? route.key_path->text() : ""), route.enabled);
  });
  out += '}';
}

void AppendPartition(std::string& out, const PartitionState& partition) {
  out +=
      fmt::format(R"({{"topic":{},"partition":{},"committed":{},"end":{},"held":{},"held_back":{},)"
                  R"("settled_above":{},"oldest_seconds":{:.3f})",
                  JsonString(partition.topic), partition.partition, partition.committed,
                  partition.end, partition.held, partition.held_back, partition.settled_above,
                  SecondsOf(partition.oldest_unsettled));
  if (partition.head) {
    out += fmt::format(R"(,"head":{{"offset":{},"attempt":{},"state":"{}","last_error":{}}})",
                       partition.head->offset, partition.head->attempt,
                       NameOf(partition.head->state), JsonString(partition.head->last_error));
  }
  out += '}';
}

void AppendGroup(std::string& out, const StatusReport::Group& group) {
  const GroupState& state = group.state;
  out += fmt::format(
      R"({{"group":{},"streams":{},"lag_events":{},"oldest_seconds":{:.3f},"held_back":{},)"
      R"("trouble":{},"topics":)",
      JsonString(state.group), state.streams, state.lag_events, SecondsOf(state.oldest_unsettled),
      state.held_back, JsonString(state.trouble));
  AppendArray(out, state.topics, AppendText);
  std::vector<PartitionState> shown = group.partitions;
  std::ranges::stable_sort(shown, std::greater(), &PartitionState::oldest_unsettled);
  shown.resize(std::min(shown.size(), kShownPartitions));
  out += fmt::format(R"(,"partition_count":{},"partitions":)", group.partitions.size());
  AppendArray(out, shown, AppendPartition);
  out += '}';
}

void AppendProblem(std::string& out, const Problem& problem) {
  out += fmt::format(R"({{"time":{:.3f},"level":"{}","what":{},"fields":{},"times":{}}})",
                     UnixSeconds(problem.last),
                     problem.level == LogLevel::kError ? "error" : "warning",
                     JsonString(problem.what), JsonString(problem.fields), problem.times);
}

}  // namespace

std::string StatusJson(const StatusReport& report) {
  std::string out = fmt::format(
      R"({{"version":{},"revision":{},"broker":{},"broker_reachable":{},"ready":{},"draining":{},)"
      R"("time":{:.3f},"event_types":)",
      JsonString(report.version), JsonString(report.revision), JsonString(report.broker),
      report.broker_reachable, report.ready, report.draining, UnixSeconds(report.now));
  if (report.router != nullptr) {
    AppendArray(out, report.router->event_types(), AppendEventType);
  } else {
    out += "[]";
  }
  out += R"(,"groups":)";
  AppendArray(out, report.groups, AppendGroup);
  out += R"(,"problems":)";
  AppendArray(out, report.problems, AppendProblem);
  out += '}';
  return out;
}

}  // namespace sidebus
