#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <fstream>

#include "server/app/commands.h"
#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() : app_("The program", "sidebus") { AddServerCommands(app_, {}, exit_code_); }

  // What bash would offer for `words`, the last of which is being typed.
  std::string BashOffers(const std::string& words, int cursor) {
    const std::string script = files_.Write("completion", CompletionScript(app_, "bash"));
    const std::string command = "bash -c 'source " + script + "; COMP_WORDS=(" + words +
                                "); COMP_CWORD=" + std::to_string(cursor) +
                                "; _sidebus; echo \"${COMPREPLY[*]}\"' 2>&1";
    FILE* const pipe = popen(command.c_str(), "r");
    std::string out;
    std::array<char, 256> chunk;
    while (fgets(chunk.data(), chunk.size(), pipe) != nullptr) out += chunk.data();
    EXPECT_EQ(pclose(pipe), 0) << out;
    return out;
  }

  const ConfigFiles files_;
  int exit_code_ = -1;
  CLI::App app_;
};

TEST_F(CompletionTest, BashOffersVerbsFlagsAndTheWordsThatAFlagTakes) {
  EXPECT_EQ(BashOffers("sidebus se", 1), "serve\n");
  EXPECT_EQ(BashOffers("sidebus do", 1), "doctor\n");
  EXPECT_EQ(BashOffers("sidebus doctor --gr", 2), "--group\n");
  EXPECT_EQ(BashOffers("sidebus doctor --output j", 3), "json\n");
  EXPECT_EQ(BashOffers("sidebus config pr", 2), "print\n");
  EXPECT_EQ(BashOffers("sidebus config check --out", 3), "--output\n");
  EXPECT_EQ(BashOffers("sidebus config check --output j", 4), "json\n");
  EXPECT_EQ(BashOffers("sidebus serve --topic-prefix x", 3), "\n");
}

TEST_F(CompletionTest, BashOffersFilesWhereAFlagTakesOne) {
  EXPECT_THAT(BashOffers("sidebus serve --config " + files_.directory() + "/comp", 3),
              HasSubstr("/completion\n"));
}

TEST_F(CompletionTest, FishKnowsVerbsAndFlagsWithTheirHelp) {
  const std::string script = CompletionScript(app_, "fish");

  EXPECT_THAT(script, AllOf(HasSubstr("-n '__fish_use_subcommand' -a serve -d 'Run the gateway"),
                            HasSubstr("-n '__fish_seen_subcommand_from config; and not "
                                      "__fish_seen_subcommand_from check print schema' -a check"),
                            HasSubstr("-l output -x -a 'text json'")));
}

TEST_F(CompletionTest, ZshUsesTheSameFunction) {
  EXPECT_THAT(CompletionScript(app_, "zsh"),
              AllOf(HasSubstr("bashcompinit"), HasSubstr("complete -o default -F _sidebus")));
}

}  // namespace
}  // namespace sidebus
