#include <google/protobuf/util/time_util.h>

#include <memory>
#include <string>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/admin_verb.h"
#include "client/cli/commands.h"
#include "client/cli/duration.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;
using google::protobuf::util::TimeUtil;

// For the last commits, after the grace.
constexpr std::chrono::seconds kCommitTime{30};

struct DrainFlags : AdminFlags {
  std::string grace;
  std::string reason;
};

int RunDrain(const DrainFlags& flags) {
  v1::DrainRequest request;
  request.set_reason(flags.reason);
  std::optional<std::chrono::milliseconds> patience;
  if (!flags.grace.empty()) {
    const auto grace = ParseDuration(flags.grace);
    if (!grace) {
      PrintError("drain", "--grace `" + flags.grace + "`: write a duration like 30s");
      return kAdminUsage;
    }
    *request.mutable_grace() = TimeUtil::MillisecondsToDuration(grace->count());
    patience = *grace + kCommitTime;
  }
  return AdminCall("drain", flags, patience)
      .Run<v1::DrainRequest, v1::DrainResponse>(
          &v1::EventBusAdmin::Stub::Drain, request, [](const v1::DrainResponse& response) {
            fmt::print("drained; {} deliveries were not settled\n", response.unsettled());
          });
}

}  // namespace

void AddDrainCommand(CLI::App& app, int& exit_code) {
  CLI::App* drain =
      app.add_subcommand("drain", "Stop deliveries, wait until what is held is settled");
  auto flags = std::make_shared<DrainFlags>();
  drain->add_option("--grace", flags->grace,
                    "How long held deliveries may settle, for example 30s (default: "
                    "shutdown.grace of the gateway)");
  drain->add_option("--reason", flags->reason, "Why, for the subscribers and the gateway's log");
  AddAdminFlags(*drain, *flags);
  AddAdminFooter(
      *drain,
      "Publishing and the probes stay as they are, and the gateway does not end: until `sidebus "
      "resume`\n"
      "it refuses subscribers. Returns when nothing is held any more, or the grace is over.\n"
      "\n"
      "Example, as a preStop hook:\n  sidebus drain --grace 30s --reason \"pod is going away\"");
  drain->callback([flags, &exit_code] { exit_code = RunDrain(*flags); });
}

void AddResumeCommand(CLI::App& app, int& exit_code) {
  CLI::App* resume = app.add_subcommand("resume", "Let a drained gateway deliver again");
  auto flags = std::make_shared<AdminFlags>();
  AddAdminFlags(*resume, *flags);
  AddAdminFooter(*resume, "Example:\n  sidebus resume");
  resume->callback([flags, &exit_code] {
    exit_code = AdminCall("resume", *flags)
                    .Run<v1::ResumeRequest, v1::ResumeResponse>(
                        &v1::EventBusAdmin::Stub::Resume, {},
                        [](const auto&) { fmt::print("the gateway delivers again\n"); });
  });
}

}  // namespace sidebus::cli
