#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <memory>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/admin_verb.h"
#include "client/cli/commands.h"
#include "client/cli/positions.h"
#include "client/cli/table.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;
using google::protobuf::util::TimeUtil;

struct ExplainFlags : AdminFlags {
  std::string group;
};

const char* Word(v1::PartitionState::State state) {
  switch (state) {
    case v1::PartitionState::STATE_READY:
      return "ready";
    case v1::PartitionState::STATE_HELD:
      return "held";
    case v1::PartitionState::STATE_WAITING:
      return "waiting";
    case v1::PartitionState::STATE_DEAD_LETTERING:
      return "dead-lettering";
    case v1::PartitionState::STATE_HALTED:
      return "halted";
    case v1::PartitionState::STATE_DECODING:
      return "decoding";
    default:
      return "-";
  }
}

std::string Number(std::int64_t number) { return number < 0 ? "-" : fmt::to_string(number); }

// Where the group has no position it has all of the log before it.
std::int64_t LagOf(const v1::PartitionState& state) {
  if (state.end_offset() < 0) return -1;
  return std::max<std::int64_t>(
      0, state.end_offset() - std::max<std::int64_t>(0, state.committed_offset()));
}

double AgeOf(const v1::PartitionState& state) {
  return static_cast<double>(TimeUtil::DurationToMilliseconds(state.oldest_unsettled())) / 1000;
}

std::vector<std::string> RowOf(const v1::PartitionState& state) {
  const bool head = state.has_head();
  const bool here = head || state.in_flight() > 0 || state.settled_out_of_order() > 0;
  const auto mine = [here](auto number) { return here ? fmt::to_string(number) : "-"; };
  return {PartitionText(state.topic(), state.partition()),
          state.owner().empty() ? "nobody" : Printable(state.owner()),
          Number(state.committed_offset()),
          Number(state.end_offset()),
          Number(LagOf(state)),
          head ? Number(state.head().offset()) : "-",
          Word(state.head_state()),
          head ? fmt::to_string(state.head_attempt()) : "-",
          head ? ShortDuration(AgeOf(state)) : "-",
          mine(state.keys_held_back()),
          mine(state.in_flight()),
          mine(state.settled_out_of_order())};
}

// One line per head that does not move by itself, or partition that nobody gets, and what can be done.
void PrintTrouble(const std::string& group, const v1::PartitionState& state) {
  if (!state.has_head() && !state.last_error().empty()) {
    fmt::print("{} has no owner: {}\n", PartitionText(state.topic(), state.partition()),
               Printable(state.last_error()));
  }
  if (state.has_went_on_at()) {
    fmt::print("{} lost {} event{} to retention, which overtook the group; it went on at {}\n",
               PartitionText(state.topic(), state.partition()), state.lost_to_retention(),
               state.lost_to_retention() == 1 ? "" : "s", state.went_on_at().offset());
  }
  const bool halted = state.head_state() == v1::PartitionState::STATE_HALTED;
  if (!state.has_head() || (!halted && state.last_error().empty())) return;
  fmt::print("{} is {} at attempt {}, for {}: {}\n", ToText(state.head()), Word(state.head_state()),
             state.head_attempt(), ShortDuration(AgeOf(state)),
             state.last_error().empty() ? "no reason was given" : Printable(state.last_error()));
  if (!halted) return;
  fmt::print("  to go on without it: sidebus settle-head {} {} --skip\n", Printable(group),
             ToText(state.head()));
}

void Print(const std::string& group, const v1::ExplainGroupResponse& response) {
  std::int64_t lag = 0;
  std::uint64_t held_back = 0;
  std::vector<std::vector<std::string>> rows = {{"PARTITION", "OWNER", "COMMITTED", "END", "LAG",
                                                 "HEAD", "STATE", "ATTEMPT", "AGE", "KEYS BACK",
                                                 "HELD", "SETTLED AHEAD"}};
  for (const v1::PartitionState& state : response.partitions()) {
    lag += std::max<std::int64_t>(0, LagOf(state));
    held_back += state.keys_held_back();
    rows.push_back(RowOf(state));
  }
  fmt::print("group {}: {} partition{}, lag {}, {} key{} held back here\n\n{}", Printable(group),
             response.partitions_size(), response.partitions_size() == 1 ? "" : "s", lag, held_back,
             held_back == 1 ? "" : "s", Table(rows));
  bool first = true;
  for (const v1::PartitionState& state : response.partitions()) {
    if (std::exchange(first, false)) fmt::print("\n");
    PrintTrouble(group, state);
  }
  for (const std::string& topic : response.missing_topics()) {
    fmt::print("{} does not exist, and is waited for: create it, or mend its name\n",
               Printable(topic));
  }
}

}  // namespace

void AddExplainCommand(CLI::App& app, int& exit_code) {
  CLI::App* explain = app.add_subcommand("explain", "Show, per partition, what holds a group back");
  auto flags = std::make_shared<ExplainFlags>();
  explain->add_option("group", flags->group, "Consumer group")->required();
  AddAdminFlags(*explain, *flags);
  AddAdminFooter(
      *explain,
      "HEAD is the first record that is not settled: the committed position cannot pass it. KEYS "
      "BACK\n"
      "are keys that wait for a retry or are halted, HELD deliveries that a stream has, SETTLED "
      "AHEAD\n"
      "what is settled above the head. Of partitions of other members the broker tells owner, "
      "position\n"
      "and end only: ask their gateway for the rest.\n"
      "\n"
      "Example:\n  sidebus explain billing");
  explain->callback([flags, &exit_code] {
    v1::ExplainGroupRequest request;
    request.set_group(flags->group);
    exit_code = AdminCall("explain", *flags)
                    .Run<v1::ExplainGroupRequest, v1::ExplainGroupResponse>(
                        &v1::EventBusAdmin::Stub::ExplainGroup, request,
                        [&](const auto& response) { Print(flags->group, response); });
  });
}

}  // namespace sidebus::cli
