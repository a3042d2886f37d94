#include "server/app/config_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

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

// A configuration with Open edX's encoding, and the schema of one event type.
class ConfigCheckSchemasTest : public ::testing::Test {
 protected:
  static constexpr char kRegistered[] = "org.openedx.learning.student.registration.completed.v1";

  void WriteSchema(const std::string& text) {
    files_.Write("schemas/org+openedx+learning+student+registration+completed+v1_schema.avsc",
                 text);
  }

  // `routes` are those of kRegistered, from the sixth line on, four columns in.
  Command Check(const std::string& routes, const std::string& encoding = "openedx") {
    const std::string file = files_.Write(
        "c.yaml", "broker: {kind: embedded}\nencoding: " + encoding +
                      "\nschema_registry: {url: \"http://r\"}\nproducer_config:\n  " + kRegistered +
                      ":\n" + routes + "schemas: {directory: schemas}\n");
    std::filesystem::create_directories(files_.directory() + "/schemas");
    return Command({"check", "--config", file.c_str()});
  }

  static constexpr char kSchema[] = R"({"type": "record", "name": "CloudEvent", "fields": [
    {"name": "user", "type": {"type": "record", "name": "UserData", "fields": [
      {"name": "id", "type": "long"},
      {"name": "nick", "type": ["null", "string"]},
      {"name": "pii", "type": {"type": "record", "name": "Pii", "fields": [
        {"name": "username", "type": "string"}]}}]}}]})";

  ConfigFiles files_;
};

TEST_F(ConfigCheckSchemasTest, WarnsOfKeyFieldsThatCannotBeKeysWithTheirPlaceAndTheWayOut) {
  WriteSchema(kSchema);

  const Command run = Check(
      "    a: {event_key_field: user.pii.username, enabled: true}\n"
      "    b: {event_key_field: user.pii.usrname, enabled: true}\n"
      "    c: {event_key_field: user.nick, enabled: true}\n"
      "    d: {event_key_field: user.pii, enabled: true}\n"
      "    e: {event_key_field: no.such, enabled: false}\n"
      "    f: {event_key_field: \"\", enabled: true}\n");

  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, HasSubstr("3 warnings"));
  const std::string path = std::string(": producer_config.") + kRegistered;
  EXPECT_THAT(run.err, HasSubstr("c.yaml:7:9" + path + ".b.event_key_field: "));
  EXPECT_THAT(run.err, HasSubstr("\"user.pii.usrname\" does not exist in the schema"));
  EXPECT_THAT(run.err, HasSubstr("Write for example user.pii.username, or \"\" for no key"));
  EXPECT_THAT(run.err, HasSubstr("c.yaml:8:9" + path + ".c.event_key_field: "));
  EXPECT_THAT(run.err, HasSubstr("\"user.nick\" is of type null or string"));
  EXPECT_THAT(run.err, HasSubstr("c.yaml:9:9" + path + ".d.event_key_field: "));
  EXPECT_THAT(run.err, HasSubstr("\"user.pii\" is of type record"));
}

TEST_F(ConfigCheckSchemasTest, KeysOfCloudEventsComeFromTheDataWhateverTheSchemaSays) {
  WriteSchema(kSchema);

  const Command run = Check("    a: {event_key_field: user.nick, enabled: true}\n", "cloudevents");

  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.err, IsEmpty());
}

TEST_F(ConfigCheckSchemasTest, ASchemaFileThatIsNoSchemaIsAProblem) {
  WriteSchema("{");

  const Command run = Check("    a: {event_key_field: \"\", enabled: true}\n");

  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("v1_schema.avsc: schemas.directory: "));
  EXPECT_THAT(run.err, HasSubstr("1 problem"));
}

TEST_F(ConfigCheckSchemasTest, TheFileOfARouteCountsForThatRoute) {
  WriteSchema(kSchema);
  files_.Write("own.avsc", R"({"type": "record", "name": "CloudEvent", "fields": [
    {"name": "id", "type": "string"}]})");
  const std::string routes = std::string("routes: {") + kRegistered + ": {b: {schema: own.avsc}, " +
                             "c: {schema: gone.avsc}}}\n";

  const Command run = Check(
      "    a: {event_key_field: id, enabled: true}\n"
      "    b: {event_key_field: id, enabled: true}\n"
      "    c: {event_key_field: id, enabled: true}\n" +
      routes);

  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr(".a.event_key_field"));
  EXPECT_THAT(run.err, Not(HasSubstr(".b.event_key_field")));
  EXPECT_THAT(run.err, HasSubstr(std::string("routes.") + kRegistered + ".c.schema: "));
}

TEST_F(ConfigCheckSchemasTest, WarnsOfADirectoryWithoutAnySchemaOfTheProducerConfig) {
  const Command run = Check("    a: {event_key_field: user.nick, enabled: true}\n");

  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.err, HasSubstr("schemas.directory: no file in it is of an event type"));
  EXPECT_THAT(run.err, HasSubstr("org+openedx+learning+student+registration+completed+v1_schema"));
}

TEST_F(ConfigCheckSchemasTest, WarnsOfTheTestFilesOfOpenedxEvents) {
  const std::string folder = "openedx_events/event_bus/avro/tests/schemas";
  files_.Write(folder + "/org+openedx+learning+student+registration+completed+v1_schema.avsc",
               kSchema);
  const std::string file = files_.Write(
      "c.yaml",
      std::string("broker: {kind: embedded}\nproducer_config: {") + kRegistered +
          ": {a: {event_key_field: \"\", enabled: true}}}\nschemas: {directory: " + folder + "}\n");

  const Command run({"check", "--config", file.c_str()});

  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.err, HasSubstr("own tests"));
  EXPECT_THAT(run.err, HasSubstr("export_event_bus_config"));
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
