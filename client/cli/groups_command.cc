#include <google/protobuf/util/time_util.h>

#include <memory>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/admin_verb.h"
#include "client/cli/commands.h"
#include "client/cli/table.h"
#include "fmt/ranges.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;
using google::protobuf::util::TimeUtil;

void PrintGroups(const v1::ListGroupsResponse& response) {
  if (response.items().empty()) {
    fmt::print("this gateway has no group\n");
    return;
  }
  std::vector<std::vector<std::string>> rows = {
      {"GROUP", "STREAMS", "LAG", "KEYS HELD BACK", "OLDEST UNSETTLED", "TOPICS"}};
  for (const v1::GroupState& group : response.items()) {
    const auto oldest =
        static_cast<double>(TimeUtil::DurationToMilliseconds(group.oldest_unsettled()));
    rows.push_back({Printable(group.group()), fmt::to_string(group.streams()),
                    fmt::to_string(group.lag_events()), fmt::to_string(group.held_back_keys()),
                    oldest > 0 ? ShortDuration(oldest / 1000) : "-",
                    Printable(fmt::format("{}", fmt::join(group.topics(), ", ")))});
  }
  fmt::print("{}", Table(rows));
}

}  // namespace

void AddGroupsCommand(CLI::App& app, int& exit_code) {
  CLI::App* groups =
      app.add_subcommand("groups", "List the gateway's groups: streams, lag, what is held back");
  auto flags = std::make_shared<AdminFlags>();
  AddAdminFlags(*groups, *flags);
  AddAdminFooter(
      *groups,
      "LAG counts the partitions that this gateway has; other members have theirs. `sidebus "
      "explain\n"
      "GROUP` shows all of them.\n"
      "\n"
      "Example:\n  sidebus groups --output json");
  groups->callback([flags, &exit_code] {
    exit_code = AdminCall("groups", *flags)
                    .Run<v1::ListGroupsRequest, v1::ListGroupsResponse>(
                        &v1::EventBusAdmin::Stub::ListGroups, {}, PrintGroups);
  });
}

}  // namespace sidebus::cli
