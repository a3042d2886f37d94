#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/producer_config_reader.h"
#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

PartialProducerConfig Parse(const std::string& text) {
  std::vector<ConfigProblem> problems;
  std::vector<ConfigProblem> warnings;
  const auto node = ParseConfigText(text, "test", problems);
  PartialProducerConfig config = ReadProducerConfig(*node, "test", "", problems, warnings);
  EXPECT_THAT(problems, IsEmpty());
  return config;
}

// The fields that are there, in order: "a{t{enabled=1 key=x}}".
std::string Show(const PartialProducerConfig& config) {
  std::string text;
  for (const PartialEventType& type : config) {
    text += type.type + "{";
    for (const PartialRoute& route : type.routes) {
      text += route.topic + "{";
      if (route.enabled) text += *route.enabled ? "T" : "F";
      if (route.event_key_field) text += "," + *route.event_key_field;
      text += "}";
    }
    text += "}";
  }
  return text;
}

struct MergeCase {
  std::string name, original, overrides, merged;
};

class MergeProducerConfigsTest : public ::testing::TestWithParam<MergeCase> {};

TEST_P(MergeProducerConfigsTest, FollowsOpenEdx) {
  const PartialProducerConfig merged =
      MergeProducerConfigs(Parse(GetParam().original), Parse(GetParam().overrides));

  EXPECT_EQ(Show(merged), GetParam().merged);
}

const std::string kOne = "{a: {t: {enabled: true, event_key_field: x}}}";

INSTANTIATE_TEST_SUITE_P(
    Rules, MergeProducerConfigsTest,
    ::testing::Values(
        MergeCase{"Nothing", kOne, "{}", "a{t{T,x}}"},
        MergeCase{"FromNothing", "{}", kOne, "a{t{T,x}}"},
        MergeCase{"OneField", kOne, "{a: {t: {enabled: false}}}", "a{t{F,x}}"},
        MergeCase{"OtherField", kOne, "{a: {t: {event_key_field: y}}}", "a{t{T,y}}"},
        MergeCase{"BothFields", kOne, "{a: {t: {event_key_field: y, enabled: no}}}", "a{t{F,y}}"},
        MergeCase{"EmptyKeyFieldIsGiven", kOne, "{a: {t: {event_key_field: \"\"}}}", "a{t{T,}}"},
        MergeCase{"NullIsNotGiven", kOne, "{a: {t: {enabled: null, event_key_field: ~}}}",
                  "a{t{T,x}}"},
        MergeCase{"UnknownFieldIsDropped", kOne, "{a: {t: {mode: outbox}}}", "a{t{T,x}}"},
        MergeCase{"NewTopicComesLast", kOne, "{a: {s: {enabled: true}}}", "a{t{T,x}s{T}}"},
        MergeCase{"NewTypeComesLast", kOne, "{z: {}, b: {s: {enabled: true}}}",
                  "a{t{T,x}}z{}b{s{T}}"},
        MergeCase{"EmptyOverrideRemovesNothing", kOne, "{a: {}}", "a{t{T,x}}"},
        MergeCase{"TheExample", kOne, "{a: {t: {enabled: false}, u: {enabled: true}}, b: {}}",
                  "a{t{F,x}u{T}}b{}"}),
    [](const auto& test) { return test.param.name; });

TEST(ProducerConfigTest, EnabledAcceptsPlainWordsOfPyYaml) {
  for (const std::string word : {"yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"}) {
    EXPECT_EQ(Show(Parse("{a: {t: {enabled: " + word + "}}}")), "a{t{T}}");
  }
  for (const std::string word :
       {"no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"}) {
    EXPECT_EQ(Show(Parse("{a: {t: {enabled: " + word + "}}}")), "a{t{F}}");
  }
}

TEST(ProducerConfigTest, KeepsTheOrderInWhichItWasWritten) {
  EXPECT_EQ(Show(Parse("{z: {c: {}, a: {}, b: {}}, a: {}, m: {}}")), "z{c{}a{}b{}}a{}m{}");
}

TEST(ProducerConfigTest, TheFileIsMergedOverTheInlineOneAndIsRelativeToTheConfiguration) {
  const ConfigFiles files;
  files.Write("sub/producer.json",
              R"({"order.created": {"orders": {"enabled": false}},
                  "order.paid": {"orders": {"enabled": true, "event_key_field": ""}}})");

  const ConfigReading reading = files.Read(
      "broker: {kind: embedded}\n"
      "producer_config: {order.created: {orders: {event_key_field: id, enabled: true}}}\n"
      "producer_config_file: sub/producer.json\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_THAT(reading.loaded->config.producer_config,
              ElementsAre(EventTypeConfig{"order.created", {{"orders", "id", false}}},
                          EventTypeConfig{"order.paid", {{"orders", "", true}}}));
}

TEST(ProducerConfigTest, AResultOfTheMergeThatLacksAFieldIsAnErrorInTheFileThatGaveTheRoute) {
  const ConfigFiles files;
  const std::string file = files.Write("p.yaml", "a:\n  t: {enabled: true}\n");

  const ConfigReading reading =
      files.Read("broker: {kind: embedded}\nproducer_config_file: p.yaml\n");

  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_EQ(reading.problems[0].source, file);
  EXPECT_EQ(reading.problems[0].line, 2);
  EXPECT_THAT(reading.problems[0].what, HasSubstr("event_key_field is missing"));
}

TEST(ProducerConfigTest, AFileThatIsMissingOrEmptyIsAnError) {
  const ConfigFiles files;
  files.Write("empty.yaml", "");
  const std::string start = "broker: {kind: embedded}\nproducer_config_file: ";

  EXPECT_THAT(files.Read(start + "none.yaml\n").problems.at(0).what, HasSubstr("No such file"));
  EXPECT_THAT(files.Read(start + "empty.yaml\n").problems.at(0).what, HasSubstr("is empty"));
  EXPECT_THAT(files.Read(start + "\"\"\n").problems.at(0).what, HasSubstr("the name of a file"));
}

TEST(ProducerConfigTest, WhatOpenEdxAcceptsButCannotSendIsAWarning) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(
      "broker: {kind: embedded}\n"
      "producer_config:\n"
      "  no.topic: {}\n"
      "  empty.topic: {\"\": {event_key_field: k, enabled: false}}\n"
      "  more.fields: {t: {event_key_field: k, enabled: true, mode: outbox}}\n"
      "  no.path: {t: {event_key_field: a..b, enabled: true}}\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  std::vector<int> lines;
  for (const ConfigProblem& warning : reading.warnings) lines.push_back(warning.line);
  EXPECT_THAT(lines, ::testing::UnorderedElementsAre(3, 4, 5, 6));
}

TEST(ProducerConfigTest, ThePrefixCountsInTheLengthOfATopic) {
  const ConfigFiles files;
  const std::string topic(245, 't');
  const std::string config = "broker: {kind: embedded}\nproducer_config: {a: {" + topic +
                             ": {event_key_field: k, enabled: true}}}\ntopic_prefix: ";

  EXPECT_THAT(files.Read(config + "abc\n").problems, IsEmpty());
  EXPECT_THAT(files.Read(config + "abcd\n").problems.at(0).what, HasSubstr("has 250 characters"));
}

TEST(ProducerConfigTest, TheConfigurationOfOpenEdxIsAcceptedWhole) {
  ConfigSources sources;
  sources.overrides.broker = "embedded";
  sources.overrides.producer_config_file =
      std::string(SIDEBUS_SOURCE_DIR) + "/deploy/openedx/producer.yaml";

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_THAT(reading.warnings, IsEmpty());
  const ProducerConfig& config = reading.loaded->config.producer_config;
  EXPECT_THAT(config, SizeIs(16));
  EXPECT_EQ(config.back(), (EventTypeConfig{"org.openedx.analytics.tracking.event.emitted.v1",
                                            {{"analytics", "tracking_log.name", true}}}));
  for (const EventTypeConfig& type : config) {
    EXPECT_THAT(type.routes, SizeIs(1));
    EXPECT_TRUE(type.routes.at(0).enabled);
  }
}

}  // namespace
}  // namespace sidebus
