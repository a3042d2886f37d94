#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/admin_verb.h"
#include "client/cli/commands.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;

struct RedriveFlags : AdminFlags {
  std::string topic;
  std::vector<std::string> types;
  std::uint32_t max_per_second = 0;
  std::uint64_t limit = 0;
  bool dry_run = false;
};

std::string Totals(const RedriveFlags& flags, const v1::RedriveResponse& progress) {
  return fmt::format("{} {}, {} left, {} read", progress.redriven(),
                     flags.dry_run ? "would be redriven" : "redriven", progress.skipped(),
                     progress.scanned());
}

// The totals so far, in one line that is written over, on a terminal only.
class ProgressLine {
 public:
  ~ProgressLine() { Clear(); }

  void Show(const std::string& text) {
    if (!terminal_) return;
    Clear();
    fmt::print(stderr, "{}", text);
    std::fflush(stderr);
    shown_ = true;
  }

  void Clear() {
    if (std::exchange(shown_, false)) fmt::print(stderr, "\r\033[K");
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
};

int RunRedrive(const RedriveFlags& flags) {
  v1::RedriveRequest request;
  request.set_dead_letter_topic(flags.topic);
  request.set_max_per_second(flags.max_per_second);
  request.set_limit(flags.limit);
  request.set_dry_run(flags.dry_run);
  for (const std::string& type : flags.types) request.add_event_types(type);

  AdminCall call("redrive", flags, std::nullopt);
  const auto stub = call.Connect();
  if (stub == nullptr) return kAdminUsage;
  grpc::ClientContext context;
  const auto reader = stub->Redrive(&context, request);
  v1::RedriveResponse progress;
  {
    ProgressLine line;
    while (reader->Read(&progress)) line.Show(Totals(flags, progress));
  }
  const grpc::Status status = reader->Finish();
  if (flags.output == "json" && (status.ok() || progress.scanned() > 0)) {
    fmt::print("{}\n", ToJson(progress));
  } else if (status.ok() || progress.scanned() > 0) {
    fmt::print("{}{}\n", Totals(flags, progress), status.ok() ? "" : " so far");
  }
  return status.ok() ? 0 : call.Failed(status);
}

}  // namespace

void AddRedriveCommand(CLI::App& app, int& exit_code) {
  CLI::App* redrive =
      app.add_subcommand("redrive", "Publish dead letters again to the topics they came from");
  auto flags = std::make_shared<RedriveFlags>();
  redrive->add_option("topic", flags->topic, "Dead-letter topic, for example orders.billing.dead")
      ->required();
  redrive->add_option("--type", flags->types, "Only events of this type (may be repeated)")
      ->allow_extra_args(false);
  redrive->add_option("--limit", flags->limit, "At most so many (default: all)")
      ->check(CLI::PositiveNumber);
  redrive->add_option("--rate", flags->max_per_second, "At most so many a second (default: any)");
  redrive->add_flag("--dry-run", flags->dry_run, "Only count what would be redriven");
  AddAdminFlags(*redrive, *flags);
  AddAdminFooter(
      *redrive,
      "Each event goes to the topic and, of the groups that Sidebus serves, to the group that it\n"
      "came from; consumers that are not Sidebus see it again. It comes after later events of its\n"
      "key. It stops at what is in the dead-letter topic now; a second run repeats nothing. What\n"
      "--type or --limit pass over, and what came from a topic that no route has or that does not\n"
      "exist any more, is left for another time. Positions can name about a thousand gaps in each\n"
      "partition: a redrive that passes over more ends with GROUP_CONFLICT; redrive those first.\n"
      "\n"
      "Ctrl-C ends it after the batch (100 events) that is under way.\n"
      "\n"
      "Examples:\n"
      "  sidebus redrive orders.billing.dead --dry-run\n"
      "  sidebus redrive orders.billing.dead --type order.created --rate 100");
  redrive->callback([flags, &exit_code] { exit_code = RunRedrive(*flags); });
}

}  // namespace sidebus::cli
