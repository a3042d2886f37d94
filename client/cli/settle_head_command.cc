#include <memory>
#include <string>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/admin_verb.h"
#include "client/cli/commands.h"
#include "client/cli/positions.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;

struct SettleHeadFlags : AdminFlags {
  std::string group;
  std::string position;
  bool skip = false;
  bool reject = false;
  std::string reason;
};

int RunSettleHead(const SettleHeadFlags& flags) {
  const auto position = ParsePosition(flags.position);
  if (!position) {
    PrintError("settle-head",
               fmt::format("`{}`: write TOPIC/PARTITION@OFFSET, as `sidebus explain` shows it, for "
                           "example orders/0@42",
                           Printable(flags.position)));
    return kAdminUsage;
  }
  v1::SettleHeadRequest request;
  request.set_group(flags.group);
  *request.mutable_position() = *position;
  request.set_action(flags.skip ? v1::Nack::ACTION_SKIP : v1::Nack::ACTION_REJECT);
  request.set_reason(flags.reason);
  return AdminCall("settle-head", flags)
      .Run<v1::SettleHeadRequest, v1::SettleHeadResponse>(
          &v1::EventBusAdmin::Stub::SettleHead, request, [&](const auto&) {
            fmt::print("{} of group {} is {}\n", ToText(*position), Printable(flags.group),
                       flags.skip ? "skipped" : "rejected");
          });
}

}  // namespace

void AddSettleHeadCommand(CLI::App& app, int& exit_code) {
  CLI::App* settle = app.add_subcommand(
      "settle-head", "Skip or reject the one record that holds a partition back");
  auto flags = std::make_shared<SettleHeadFlags>();
  settle->add_option("group", flags->group, "Consumer group")->required();
  settle->add_option("position", flags->position, "TOPIC/PARTITION@OFFSET of the head")->required();
  auto* how = settle->add_option_group("how", "one of");
  how->add_flag("--skip", flags->skip, "Settle it: the group goes on without it");
  how->add_flag("--reject", flags->reject, "As a subscriber's rejection: to the dead letters");
  how->require_option(1);
  settle->add_option("--reason", flags->reason, "Why, for the gateway's log and the dead letter");
  AddAdminFlags(*settle, *flags);
  AddAdminFooter(
      *settle,
      "`sidebus explain GROUP` shows the head of each partition, and which gateway has it: ask "
      "that one.\n"
      "\n"
      "Example:\n  sidebus settle-head billing orders/0@42 --skip --reason \"test event\"");
  settle->callback([flags, &exit_code] { exit_code = RunSettleHead(*flags); });
}

}  // namespace sidebus::cli
