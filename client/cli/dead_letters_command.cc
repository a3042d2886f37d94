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

struct DeadLettersFlags : AdminFlags {
  std::string topic;
  std::vector<std::string> types;
  std::uint32_t limit = 100;
};

void Print(const DeadLettersFlags& flags, const v1::ListDeadLettersResponse& response) {
  if (response.items().empty()) {
    fmt::print("nothing in {} that was asked for\n", Printable(flags.topic));
    return;
  }
  std::vector<std::vector<std::string>> rows = {
      {"TIME", "REASON", "ATTEMPTS", "GROUP", "FROM", "TYPE", "EVENT", "DETAIL"}};
  for (const v1::DeadLetter& letter : response.items()) {
    const v1::Position& origin = letter.origin();
    rows.push_back(
        {TimeUtil::ToString(letter.time()), Printable(letter.reason()),
         fmt::to_string(letter.attempts()), Printable(letter.group()),
         fmt::format("{}@{}", PartitionText(origin.topic(), origin.partition()), origin.offset()),
         Printable(letter.event().type()), Printable(letter.event().id()),
         Printable(letter.detail())});
  }
  fmt::print("{}", Table(rows));
  if (static_cast<std::uint32_t>(response.items_size()) == flags.limit) {
    fmt::print("\nthere may be more: --limit shows more of them\n");
  }
}

}  // namespace

void AddDeadLettersCommand(CLI::App& app, int& exit_code) {
  CLI::App* letters =
      app.add_subcommand("dead-letters", "Show what is in a dead-letter topic, and why");
  auto flags = std::make_shared<DeadLettersFlags>();
  letters->add_option("topic", flags->topic, "Dead-letter topic, for example orders.billing.dead")
      ->required();
  letters->add_option("--type", flags->types, "Only events of this type (may be repeated)")
      ->allow_extra_args(false);
  letters->add_option("--limit", flags->limit, "At most so many, the oldest first (1 to 1000)")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  AddAdminFlags(*letters, *flags);
  AddAdminFooter(*letters,
                 "Changes nothing. What was redriven is still there until the topic's retention is "
                 "over. Shows\n"
                 "the oldest of all partitions, so much as fits into 1 MiB.\n"
                 "\n"
                 "Examples:\n"
                 "  sidebus dead-letters orders.billing.dead\n"
                 "  sidebus dead-letters orders.billing.dead --type order.created --output json");
  letters->callback([flags, &exit_code] {
    v1::ListDeadLettersRequest request;
    request.set_dead_letter_topic(flags->topic);
    request.set_limit(flags->limit);
    for (const std::string& type : flags->types) request.add_event_types(type);
    exit_code = AdminCall("dead-letters", *flags)
                    .Run<v1::ListDeadLettersRequest, v1::ListDeadLettersResponse>(
                        &v1::EventBusAdmin::Stub::ListDeadLetters, request,
                        [&](const auto& response) { Print(*flags, response); });
  });
}

}  // namespace sidebus::cli
