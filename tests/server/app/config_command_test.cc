#include "server/app/config_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

// Runs one verb and keeps what it wrote.
struct Command {
  explicit Command(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "config");
    const ConfigCommandContext context{{}, {}, out_stream, err_stream};
    code = RunConfigCommand(static_cast<int>(arguments.size()), arguments.data(), context);
    out = out_stream.str();
    err = err_stream.str();
  }

  std::ostringstream out_stream;
  std::ostringstream err_stream;
  int code = -1;
  std::string out;
  std::string err;
};

const std::string kExample = std::string(SIDEBUS_SOURCE_DIR) + "/deploy/config.example.yaml";

TEST(ConfigCheckTest, TheExampleIsOk) {
  const Command run({"check", "--config", kExample.c_str()});

  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out,
              MatchesRegex("OK: .*: 18 event types, 19 routes \\(19 enabled\\), 0 warnings\n"));
  EXPECT_THAT(run.err, IsEmpty());
}

TEST(ConfigCheckTest, ProblemsGoToStandardErrorWithExitCodeOne) {
  const ConfigFiles files;
  const std::string file = files.Write("c.yaml", "broker: {kind: embedded}\nsorce: /x\nlogg: 1\n");

  const Command run({"check", "--config", file.c_str()});

  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, IsEmpty());
  EXPECT_THAT(run.err,
              HasSubstr("error: " + file + ":2:1: sorce: unknown key; did you mean source?"));
  EXPECT_THAT(run.err, HasSubstr("did you mean log?"));
  EXPECT_THAT(run.err, HasSubstr("2 problems"));
}

TEST(ConfigCheckTest, ProblemsAsJson) {
  const ConfigFiles files;
  const std::string file = files.Write(
      "c.yaml", "broker: {kind: embedded}\nsorce: /x\nproducer_config: {order.created: {}}\n");

  const Command run({"check", "--config", file.c_str(), "--output", "json"});

  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, IsEmpty());
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json.at("ok"), false);
  EXPECT_EQ(json.at("problems").at(0).at("line"), 2);
  EXPECT_EQ(json.at("problems").at(0).at("path"), "sorce");
  EXPECT_EQ(json.at("warnings").at(0).at("path"), "producer_config.order.created");
}

TEST(ConfigPrintTest, ShowsValuesWithTheirOrigin) {
  const Command run({"print", "--config", kExample.c_str(), "--log-level", "debug"});

  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, HasSubstr("level: debug  # flag --log-level\n"));
  EXPECT_THAT(run.out, HasSubstr("linger: 10s  # default\n"));
  EXPECT_THAT(run.out, HasSubstr("source: /my-service  # " + kExample + ":"));
}

TEST(ConfigPrintTest, AsJson) {
  const Command run({"print", "--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2", "--broker",
                     "embedded", "--output", "json"});

  ASSERT_EQ(run.code, 0);
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json.at("config").at("listen").at(1).at("address"), "127.0.0.1:2");
  EXPECT_EQ(json.at("config").at("subscribe").at("max_window").at("bytes"), "16MiB");
  EXPECT_EQ(json.at("config").at("limits").at("max_streams"), 256);
  EXPECT_EQ(json.at("origins")["broker.kind"], "flag --broker");
}

TEST(ConfigSchemaTest, IsJsonThatRefusesUnknownKeys) {
  const Command run({"schema"});

  ASSERT_EQ(run.code, 0);
  const auto schema = nlohmann::json::parse(run.out);
  EXPECT_EQ(schema.at("additionalProperties"), false);
  EXPECT_EQ(schema.at("properties")
                .at("subscribe")
                .at("properties")
                .at("window")
                .at("additionalProperties"),
            false);
  EXPECT_EQ(schema.at("properties").at("log").at("properties").at("level").at("default"), "info");
  EXPECT_TRUE(schema.at("properties").at("access").contains("not"));
}

TEST(ConfigUsageTest, AWrongFlagOrVerbIsExitCodeTwo) {
  EXPECT_EQ(Command({"check", "--bogus"}).code, 2);
  EXPECT_EQ(Command({"chek"}).code, 2);
  EXPECT_EQ(Command({}).code, 2);
}

TEST(ConfigUsageTest, HelpOfEveryVerbHasAnExample) {
  for (const char* verb : {"check", "print", "schema"}) {
    const Command run({verb, "--help"});
    EXPECT_EQ(run.code, 0);
    EXPECT_THAT(run.out, HasSubstr(std::string("sidebus config ") + verb));
  }
}

}  // namespace
}  // namespace sidebus
