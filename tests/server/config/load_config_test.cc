#include "server/config/load_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "server/config/config_print.h"
#include "server/config/config_reader.h"
#include "server/config/config_schema.h"
#include "server/config/config_table.h"
#include "server/config/units.h"
#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

ConfigReading ReadWithFlags(const ConfigOverrides& flags) {
  ConfigSources sources;
  sources.overrides = flags;
  return ReadConfig(sources);
}

std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(DefaultsTest, AreThoseOfTheContract) {
  const ConfigReading reading = ReadWithFlags({.broker = "embedded"});
  ASSERT_THAT(reading.problems, IsEmpty());
  const Config& c = reading.loaded->config;

  EXPECT_THAT(c.listen, ElementsAre(ListenConfig{
                            {"127.0.0.1", 7420, ""}, "127.0.0.1:7420", 0660, "", false}));
  EXPECT_EQ(c.admin.ToString(), "127.0.0.1:7421");
  EXPECT_FALSE(c.probes.has_value());
  EXPECT_EQ(c.source, "/sidebus");
  EXPECT_EQ(c.topic_prefix, "");
  EXPECT_EQ(c.publish.timeout, seconds(30));
  EXPECT_EQ(c.publish.stream_in_flight, (WindowConfig{10'000, 8 << 20}));
  EXPECT_EQ(c.subscribe.lease, seconds(60));
  EXPECT_EQ(c.subscribe.min_lease, seconds(1));
  EXPECT_EQ(c.subscribe.max_lease, hours(1));
  EXPECT_EQ(c.subscribe.max_attempts, 5u);
  EXPECT_EQ(c.subscribe.min_backoff, milliseconds(500));
  EXPECT_EQ(c.subscribe.max_backoff, seconds(30));
  EXPECT_EQ(c.subscribe.max_delay, minutes(15));
  EXPECT_EQ(c.subscribe.window, (WindowConfig{100, 4 << 20}));
  EXPECT_EQ(c.subscribe.max_window, (WindowConfig{1000, 16 << 20}));
  EXPECT_EQ(c.subscribe.linger, seconds(10));
  EXPECT_EQ(c.limits.max_event_bytes, 1'000'000u);
  EXPECT_EQ(c.limits.max_request_bytes, 4u << 20);
  EXPECT_EQ(c.limits.max_events_per_request, 1000u);
  EXPECT_EQ(c.limits.memory, 128u << 20);
  EXPECT_EQ(c.limits.max_streams, 256u);
  EXPECT_EQ(c.limits.max_connections, 128u);
  EXPECT_EQ(c.limits.max_subscriptions, 32u);
  EXPECT_EQ(c.limits.max_broadcast_streams, 16u);
  EXPECT_EQ(c.readiness, KafkaReadiness::kIgnore);
  EXPECT_FALSE(c.startup_require_broker);
  EXPECT_EQ(c.metrics_max_groups, 50u);
  EXPECT_FALSE(c.reflection);
  EXPECT_EQ(c.shutdown_grace, seconds(20));
  EXPECT_EQ(c.log, (LogConfig{LogLevel::kInfo, LogFormat::kJson}));
}

// The table says in text what the struct says in code: reading a row's default changes nothing.
TEST(DefaultsTest, TheTableSaysTheSame) {
  for (const ConfigRow& row : ConfigTable()) {
    const bool is_stored = !std::holds_alternative<AnyField>(row.field);
    if (!is_stored || row.default_text.empty() || row.path == "listen") continue;
    Config config;
    ConfigDraft draft;
    const std::string source = "table";
    const ConfigReader::IsKafkaProperty any;
    std::vector<ConfigProblem> problems;
    const ConfigNode value = *ParseConfigText(std::string(row.default_text), source, problems);
    ConfigReader(source, any, draft).ReadValue(std::string(row.path), value);
    EXPECT_THAT(draft.problems, IsEmpty()) << row.path;
    EXPECT_EQ(draft.config, config) << row.path;
  }
}

TEST(TableTest, EveryBoundCanBeReadInTheRowsOwnNotation) {
  for (const ConfigRow& row : ConfigTable()) {
    for (const std::string_view bound : {row.min, row.max}) {
      if (bound.empty()) continue;
      const bool readable =
          std::holds_alternative<FieldOf<Duration>>(row.field)        ? ParseDuration(bound).ok()
          : std::holds_alternative<FieldOf<std::uint64_t>>(row.field) ? ParseSize(bound).ok()
                                                                      : ParseCount(bound).ok();
      EXPECT_TRUE(readable) << row.path << " " << bound;
    }
  }
}

TEST(SourcesTest, FlagsWinOverTheFileAndOriginsSaySo) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.file = files.Write("c.yaml",
                             "broker: {kind: embedded}\n"
                             "topic_prefix: file\n"
                             "listen: [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n"
                             "log: {level: error}\n");
  sources.overrides = {.listen = {"127.0.0.1:3"},
                       .admin = "127.0.0.1:4",
                       .bootstrap_servers = "a:1,b:2",
                       .topic_prefix = "flag",
                       .log_level = "debug"};

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, IsEmpty());
  const LoadedConfig& loaded = *reading.loaded;
  EXPECT_THAT(loaded.config.listen, SizeIs(1));
  EXPECT_EQ(loaded.config.admin.port, 4);
  EXPECT_EQ(loaded.config.broker.kind, BrokerKind::kKafka);
  EXPECT_THAT(loaded.config.broker.bootstrap_servers, ElementsAre("a:1", "b:2"));
  EXPECT_EQ(loaded.config.topic_prefix, "flag");
  EXPECT_EQ(loaded.config.log.level, LogLevel::kDebug);
  EXPECT_EQ(loaded.origins.at("topic_prefix"), "flag --topic-prefix");
  EXPECT_EQ(loaded.origins.at("broker.kind"), "flag --bootstrap-servers");
  EXPECT_EQ(loaded.origins.at("log.format"), "default");
}

TEST(SourcesTest, TheAdminApiIsOffUnlessASocketOrALoopbackAddressIsGiven) {
  const ConfigFiles files;
  const auto read = [&](const std::string& line) {
    return files.Read("broker: {kind: embedded}\n" + line).loaded->config.admin_api;
  };

  EXPECT_EQ(read(""), std::nullopt);
  EXPECT_EQ(read("admin_api: unix:/tmp/sidebus-admin.sock")->path, "/tmp/sidebus-admin.sock");
  EXPECT_EQ(read("admin_api: 127.0.0.1:7423")->port, 7423);
}

TEST(SourcesTest, OriginsNameFileAndLine) {
  const ConfigFiles files;

  const ConfigReading reading =
      files.Read("broker: {kind: embedded}\nsubscribe:\n  window:\n    events: 7\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.loaded->origins.at("subscribe.window.events"),
            files.directory() + "/config.yaml:4");
  EXPECT_EQ(reading.loaded->origins.at("subscribe.window.bytes"), "default");
}

TEST(SourcesTest, FlagsAreCheckedLikeTheFile) {
  const auto problems = ReadWithFlags({.listen = {"0.0.0.0:1"},
                                       .admin_api = "0.0.0.0:2",
                                       .broker = "embedded",
                                       .bootstrap_servers = "a",
                                       .schema_registry_url = "r",
                                       .log_level = "loud"})
                            .problems;

  std::vector<std::string> sources;
  for (const ConfigProblem& problem : problems) sources.push_back(problem.source);
  EXPECT_THAT(sources,
              ::testing::UnorderedElementsAre("flag --listen", "flag --admin-api",
                                              "flag --log-level", "flag --schema-registry-url",
                                              "flag --bootstrap-servers", "flag --broker"));
}

TEST(SourcesTest, TheFileMayBeNamedByTheEnvironment) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.environment["SIDEBUS_CONFIG"] =
      files.Write("c.yaml", "broker: {kind: embedded}\nsource: /from-file\n");

  EXPECT_EQ(ReadConfig(sources).loaded->config.source, "/from-file");

  sources.file = files.Write("d.yaml", "broker: {kind: embedded}\nsource: /from-flag\n");
  EXPECT_EQ(ReadConfig(sources).loaded->config.source, "/from-flag");
}

constexpr std::string_view kVariable =
    R"({"order.created": {"orders": {"event_key_field": "id", "enabled": true}}})";

TEST(EnvironmentTest, FillsWhatTheFileLeavesOut) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.file = files.Write("c.yaml", "broker: {kind: embedded}\n");
  sources.environment["EVENT_BUS_PRODUCER_CONFIG"] = kVariable;
  sources.environment["EVENT_BUS_TOPIC_PREFIX"] = "stage";

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_THAT(reading.warnings, IsEmpty());
  EXPECT_EQ(reading.loaded->config.topic_prefix, "stage");
  EXPECT_THAT(reading.loaded->config.producer_config,
              ElementsAre(EventTypeConfig{"order.created", {{"orders", "id", true}}}));
  EXPECT_EQ(reading.loaded->origins.at("topic_prefix"), "environment EVENT_BUS_TOPIC_PREFIX");
  EXPECT_EQ(reading.loaded->origins.at("producer_config"), "environment EVENT_BUS_PRODUCER_CONFIG");
}

TEST(EnvironmentTest, NamesTheStaticMember) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.file = files.Write("c.yaml",
                             "broker: {kind: embedded}\n"
                             "subscribe: {static_member: \"${APP}.${POD_NAME}-$1\"}\n");
  sources.environment["APP"] = "orders";
  sources.environment["POD_NAME"] = "pod-7";

  const ConfigReading bad = ReadConfig(sources);
  ASSERT_EQ(bad.problems.size(), 1u);
  EXPECT_THAT(bad.problems[0].what, HasSubstr("orders.pod-7-$1"));

  sources.file = files.Write("c.yaml",
                             "broker: {kind: embedded}\n"
                             "subscribe: {static_member: \"${APP}.${POD_NAME}-1\",\n"
                             "            group_protocol: auto, assignor: cooperative-sticky}\n");
  const ConfigReading reading = ReadConfig(sources);
  ASSERT_THAT(reading.problems, IsEmpty());
  const SubscribeConfig& subscribe = reading.loaded->config.subscribe;
  EXPECT_EQ(subscribe.static_member, "orders.pod-7-1");
  EXPECT_EQ(subscribe.group_protocol, RebalanceProtocol::kAuto);
  EXPECT_EQ(subscribe.assignor, PartitionAssignor::kCooperativeSticky);
}

TEST(EnvironmentTest, AShadowedVariableIsAWarning) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.file = files.Write(
      "c.yaml", "broker: {kind: embedded}\ntopic_prefix: \"\"\nproducer_config: {x: {}}\n");
  sources.environment["EVENT_BUS_PRODUCER_CONFIG"] = kVariable;
  sources.environment["EVENT_BUS_TOPIC_PREFIX"] = "stage";

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.loaded->config.topic_prefix, "");
  EXPECT_EQ(reading.loaded->config.producer_config.at(0).type, "x");
  ASSERT_THAT(reading.warnings, SizeIs(3));
  EXPECT_THAT(reading.warnings[0].ToString(),
              AllOf(HasSubstr("environment EVENT_BUS_TOPIC_PREFIX"), HasSubstr("c.yaml:2")));
  EXPECT_THAT(reading.warnings[1].ToString(),
              AllOf(HasSubstr("environment EVENT_BUS_PRODUCER_CONFIG"), HasSubstr("c.yaml:3")));
}

TEST(EnvironmentTest, AFlagShadowsItToo) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.overrides.broker = "embedded";
  sources.overrides.producer_config_file = files.Write("p.yaml", "x: {}\n");
  sources.environment["EVENT_BUS_PRODUCER_CONFIG"] = "not even read {";

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.loaded->config.producer_config.at(0).type, "x");
  EXPECT_THAT(reading.warnings.at(0).what, HasSubstr("flag --producer-config"));
}

TEST(EnvironmentTest, AFlagShadowsThePrefixToo) {
  ConfigSources sources;
  sources.overrides.broker = "embedded";
  sources.overrides.topic_prefix = "dev";
  sources.environment["EVENT_BUS_TOPIC_PREFIX"] = "not even / checked";

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.loaded->config.topic_prefix, "dev");
  EXPECT_EQ(reading.loaded->origins.at("topic_prefix"), "flag --topic-prefix");
  EXPECT_THAT(
      reading.warnings.at(0).ToString(),
      AllOf(HasSubstr("environment EVENT_BUS_TOPIC_PREFIX"), HasSubstr("flag --topic-prefix")));
}

TEST(EnvironmentTest, WhatIsWrongInItNamesTheVariable) {
  ConfigSources sources;
  sources.overrides.broker = "embedded";
  sources.environment["EVENT_BUS_PRODUCER_CONFIG"] = "{\"a\": {\"t\": {\"enabled\": \"true\"}}";

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_EQ(reading.problems[0].source, "environment EVENT_BUS_PRODUCER_CONFIG");
}

TEST(ExamplesTest, EveryConfigurationUnderDeployLoadsWithoutAWarning) {
  int examples = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(SIDEBUS_SOURCE_DIR) + "/deploy")) {
    const std::string name = entry.path().filename();
    if (!name.starts_with("config") || !name.ends_with(".yaml")) continue;
    ConfigSources sources;
    sources.file = entry.path();
    const ConfigReading reading = ReadConfig(sources);

    EXPECT_THAT(reading.problems, IsEmpty()) << name;
    EXPECT_THAT(reading.warnings, IsEmpty()) << name;
    ++examples;
  }
  EXPECT_GE(examples, 1);
}

TEST(PrintTest, WhatIsPrintedLoadsToTheSameConfiguration) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.file = std::string(SIDEBUS_SOURCE_DIR) + "/deploy/config.example.yaml";
  sources.overrides.topic_prefix = "12";
  const LoadedConfig loaded = *LoadConfig(sources);

  const ConfigReading yaml = files.Read(ConfigAsYaml(loaded));

  ASSERT_THAT(yaml.problems, IsEmpty());
  EXPECT_EQ(yaml.loaded->config, loaded.config);
  EXPECT_THAT(ConfigAsYaml(loaded), HasSubstr("topic_prefix: \"12\"  # flag --topic-prefix\n"));
}

TEST(PrintTest, AlsoShowsWhatMayOnlyHaveItsDefault) {
  ConfigSources sources;
  sources.overrides.broker = "embedded";

  const std::string yaml = ConfigAsYaml(*LoadConfig(sources));

  EXPECT_THAT(yaml, HasSubstr("  per_partition: false  # default\n"));
  EXPECT_THAT(yaml, HasSubstr("encoding: cloudevents  # default\n"));
}

TEST(PrintTest, ShowsASectionOrTheWordThatSwitchesItOff) {
  const ConfigFiles files;
  const ConfigReading on = files.Read("broker: {kind: embedded}\ndead_letter: {topic: dead}\n");
  const ConfigReading off = files.Read("broker: {kind: embedded}\ndead_letter: off\n");
  ASSERT_THAT(on.problems, IsEmpty());
  ASSERT_THAT(off.problems, IsEmpty());

  EXPECT_THAT(ConfigAsYaml(*on.loaded), HasSubstr("dead_letter:\n  topic: dead  # "));
  EXPECT_THAT(ConfigAsYaml(*off.loaded), HasSubstr("dead_letter: \"off\"  # "));
  for (const ConfigReading* one : {&on, &off}) {
    const ConfigReading again = files.Read(ConfigAsYaml(*one->loaded));
    ASSERT_THAT(again.problems, IsEmpty());
    EXPECT_EQ(again.loaded->config, one->loaded->config);
  }
}

TEST(PrintTest, SecretsAreNotShown) {
  const ConfigFiles files;
  const ConfigReading reading = files.Read(
      "broker: {kind: embedded, kafka: {properties: {sasl.password: hunter2, ssl.key.pem: k3y,\n"
      "  sasl.oauthbearer.client.secret: s3cret, linger.ms: 5}}}\n");
  ASSERT_THAT(reading.problems, IsEmpty());

  for (const std::string& text : {ConfigAsYaml(*reading.loaded), ConfigAsJson(*reading.loaded)}) {
    EXPECT_THAT(text, AllOf(HasSubstr("\"linger.ms\": \"5\""), HasSubstr("\"***\"")));
    EXPECT_THAT(text, Not(::testing::ContainsRegex("hunter2|k3y|s3cret")));
  }
}

TEST(SchemaTest, KnowsEveryKeyAndIsItselfJson) {
  std::vector<ConfigProblem> problems;

  const auto schema = ParseConfigText(ConfigJsonSchema(), "schema", problems);

  ASSERT_TRUE(schema.has_value());
  EXPECT_THAT(problems, IsEmpty());
  for (const ConfigRow& row : ConfigTable()) {
    const std::string_view path = row.path;
    const std::string key(path.substr(path.find_last_of(".") + 1));
    EXPECT_THAT(ConfigJsonSchema(), HasSubstr("\"" + key + "\": {")) << path;
  }
}

TEST(SchemaTest, TheReferencePageInTheRepositoryIsCurrent) {
  EXPECT_EQ(Slurp(std::string(SIDEBUS_SOURCE_DIR) + "/deploy/configuration.md"),
            ConfigReferencePage())
      << "run: sidebus config schema --format markdown > deploy/configuration.md";
}

}  // namespace
}  // namespace sidebus
