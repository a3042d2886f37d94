#include <google/protobuf/util/time_util.h>

#include <memory>
#include <string>
#include <vector>

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

struct SeekFlags : AdminFlags {
  std::string group;
  std::vector<std::string> to;
  std::vector<std::string> topics;
  bool dry_run = false;
  bool force = false;
};

// What is wrong with --to; empty: `request` has it.
std::string FillTarget(const std::vector<std::string>& to, v1::SeekRequest& request) {
  if (to.size() == 1 && to[0] == "earliest") {
    request.set_earliest(true);
  } else if (to.size() == 1 && to[0] == "latest") {
    request.set_latest(true);
  } else if (to.size() != 1 || !TimeUtil::FromString(to[0], request.mutable_time())) {
    for (const std::string& text : to) {
      const auto position = ParsePosition(text, '=');
      if (!position) {
        return "--to `" + text +
               "`: write earliest, latest, a time like 2026-01-31T12:00:00Z, or positions like "
               "orders/0=42";
      }
      *request.mutable_positions()->add_items() = *position;
    }
  }
  return "";
}

void Print(const SeekFlags& flags, const v1::SeekResponse& response) {
  std::vector<std::vector<std::string>> rows = {{"PARTITION", "FROM", "TO"}};
  for (int i = 0; i < response.to_size() && i < response.from_size(); ++i) {
    const v1::Position& to = response.to(i);
    const std::int64_t from = response.from(i).offset();
    rows.push_back({PartitionText(to.topic(), to.partition()),
                    from < 0 ? "-" : fmt::to_string(from), fmt::to_string(to.offset())});
  }
  fmt::print("group {} {}\n\n{}", Printable(flags.group),
             flags.dry_run ? "would be moved (dry run)" : "was moved", Table(rows));
}

// Above what the gateway takes. By force holders have `subscribe.revoke_grace`, at most 5 min, and a
// static member its session.
std::chrono::minutes PatienceOf(const SeekFlags& flags) {
  return std::chrono::minutes(flags.force ? 10 : 2);
}

int RunSeek(const SeekFlags& flags) {
  v1::SeekRequest request;
  request.set_group(flags.group);
  for (const std::string& topic : flags.topics) request.add_topics(topic);
  request.set_dry_run(flags.dry_run);
  request.set_force(flags.force);
  if (const std::string problem = FillTarget(flags.to, request); !problem.empty()) {
    PrintError("seek", problem);
    return kAdminUsage;
  }
  return AdminCall("seek", flags, PatienceOf(flags))
      .Run<v1::SeekRequest, v1::SeekResponse>(
          &v1::EventBusAdmin::Stub::Seek, request,
          [&](const auto& response) { Print(flags, response); });
}

}  // namespace

void AddSeekCommand(CLI::App& app, int& exit_code) {
  CLI::App* seek = app.add_subcommand("seek", "Move a group: read again, or skip what is there");
  auto flags = std::make_shared<SeekFlags>();
  seek->add_option("group", flags->group, "Consumer group")->required();
  seek->add_option("--to", flags->to,
                   "earliest, latest, a time like 2026-01-31T12:00:00Z, or positions like "
                   "orders/0=42 (may be repeated)")
      ->allow_extra_args(false)
      ->required();
  seek->add_option("--topic", flags->topics,
                   "Only on this topic (may be repeated; default: all on which the group stands)")
      ->allow_extra_args(false);
  seek->add_flag("--dry-run", flags->dry_run, "Show from where to where, change nothing");
  seek->add_flag("--force", flags->force,
                 "End the streams that this gateway has of the group; they may subscribe again");
  AddAdminFlags(*seek, *flags);
  AddAdminFooter(
      *seek,
      "The group must have no member anywhere; with --force, none but this gateway. With\n"
      "`subscribe.static_member` a gateway is a member until the session time-out after it has "
      "left:\n"
      "moving its group takes so long (45 s by default).\n"
      "\n"
      "Examples:\n"
      "  sidebus seek billing --to earliest --dry-run\n"
      "  sidebus seek billing --to 2026-01-31T12:00:00Z --topic orders\n"
      "  sidebus seek billing --to orders/0=42 --to orders/1=17 --force");
  seek->callback([flags, &exit_code] { exit_code = RunSeek(*flags); });
}

}  // namespace sidebus::cli
