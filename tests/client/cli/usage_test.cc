// Wrong words and flags: what the command line makes of them before anything is called.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

struct Invocation {
  explicit Invocation(const std::string& words) {
    CLI::App app("test", "sidebus");
    app.require_subcommand(1);
    int exit_code = 0;
    AddClientCommands(app, exit_code);
    CaptureStderr();
    try {
      app.parse(words);
      code = exit_code;
    } catch (const CLI::ParseError& error) {
      code = app.exit(error, out, err) == 0 ? 0 : UsageExitCode(app);
    }
    text = err.str() + GetCapturedStderr();
  }

  int code = -1;
  std::string text;  // of the error
  std::ostringstream out;
  std::ostringstream err;
};

struct BadUsage {
  std::string words;
  int code;
  std::string why;

  friend void PrintTo(const BadUsage& usage, std::ostream* stream) { *stream << usage.words; }
};
class BadUsageTest : public ::testing::TestWithParam<BadUsage> {};

TEST_P(BadUsageTest, SaysWhyWithTheVerbsExitCode) {
  const Invocation run(GetParam().words);

  EXPECT_EQ(run.code, GetParam().code);
  EXPECT_THAT(run.text, HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Verbs, BadUsageTest,
    ::testing::Values(
        BadUsage{"", 2, "subcommand is required"},
        BadUsage{"frobnicate", 2, "subcommand is required"},
        BadUsage{"health --bogus", 1, "--bogus"},
        BadUsage{"health --wait 30", 1, "write a duration like 30s"},
        BadUsage{"health --wait nans", 1, "write a duration like 30s"},
        BadUsage{"health --output xml", 1, "--output"},
        BadUsage{"health --endpoint nowhere", 1, "no port"},
        BadUsage{"describe --output xml", 2, "--output"},
        BadUsage{"describe --endpoint :1", 2, "no host"},
        BadUsage{"publish", 2, "type is required"}, BadUsage{"publish t {} --rate 0", 2, "--rate"},
        BadUsage{"publish t {} --rate -1", 2, "--rate"},
        BadUsage{"publish t {} --timeout nan", 2, "--timeout"},
        BadUsage{"publish t {} --count x", 2, "--count"},
        BadUsage{"publish t {} --header novalue", 2, "write NAME=VALUE"},
        BadUsage{"publish t {} --ext =x", 2, "write NAME=VALUE"},
        BadUsage{"publish t {} -f file", 2, "excludes"},
        BadUsage{"publish t {} --tombstone", 2, "an event without data"},
        BadUsage{"publish t {} --ndjson", 2, "--ndjson reads lines"},
        BadUsage{"publish t -f /nonexistent/sidebus", 2, "cannot read the file"},
        BadUsage{"subscribe t --ack maybe", 2, "--ack"},
        BadUsage{"subscribe t --format xml", 2, "--format"},
        BadUsage{"subscribe t --from yesterday", 2, "write earliest, latest, or a time"},
        BadUsage{"subscribe t --lease 30", 2, "write a duration like 30s"},
        BadUsage{"subscribe t --exit-when-idle 5", 2, "write a duration like 5s"},
        BadUsage{"subscribe t --endpoint unix:s", 2, "begins with /"},
        BadUsage{"bench publish", 2, "type is required"},
        BadUsage{"bench", 2, "subcommand is required"},
        BadUsage{"groups --output xml", 2, "--output"},
        BadUsage{"groups --admin-endpoint nowhere", 2, "no port"},
        BadUsage{"explain", 2, "group is required"}, BadUsage{"seek g", 2, "--to is required"},
        BadUsage{"redrive", 2, "topic is required"}, BadUsage{"redrive t --rate x", 2, "--rate"},
        BadUsage{"dead-letters t --limit 0", 2, "--limit"},
        BadUsage{"redrive t --limit 0", 2, "--limit"},
        BadUsage{"seek --to earliest", 2, "group is required"},
        BadUsage{"seek g --to yesterday", 2, "write earliest, latest, a time"},
        BadUsage{"seek g --to orders/0", 2, "positions like orders/0=42"},
        BadUsage{"seek g --to orders/0=1 --to orders/x=1", 2, "--to `orders/x=1`"},
        BadUsage{"seek g --to earliest --to latest", 2, "--to `earliest`"},
        BadUsage{"settle-head g", 2, "position is required"},
        BadUsage{"settle-head g orders/0@1", 2, "[--skip,--reject] is required"},
        BadUsage{"settle-head g orders/0@1 --skip --reject", 2, "2 were given"},
        BadUsage{"settle-head g orders/0 --skip", 2, "TOPIC/PARTITION@OFFSET"},
        BadUsage{"drain --grace 30", 2, "write a duration like 30s"}));

TEST(HelpTest, OfEveryVerbHasAnExample) {
  for (const std::string verb :
       {"publish", "subscribe", "describe", "health", "bench publish", "bench subscribe", "groups",
        "explain", "seek", "settle-head", "dead-letters", "redrive", "drain", "resume"}) {
    const Invocation run(verb + " --help");

    EXPECT_EQ(run.code, 0) << verb;
    EXPECT_THAT(run.out.str(), HasSubstr("Example")) << verb;
    EXPECT_THAT(run.out.str(), HasSubstr("  sidebus " + verb)) << verb;
    EXPECT_THAT(run.out.str(), HasSubstr("--output")) << verb;
  }
}

}  // namespace
}  // namespace sidebus
