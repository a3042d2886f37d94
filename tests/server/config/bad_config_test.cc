// Everything that a configuration file can have wrong: each says what, and in which line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct BadCase {
  std::string name;
  std::string text;  // after a first line that alone would be fine
  std::string path;  // of the key that is wrong
  std::string what;  // part of the message
  int line = 2;

  friend void PrintTo(const BadCase& bad, std::ostream* out) { *out << bad.text; }
};

class BadConfigTest : public ::testing::TestWithParam<BadCase> {};

// The only problem is the expected one, in its line.
TEST_P(BadConfigTest, IsRefusedWithPlaceAndReason) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read("broker: {kind: embedded}\n" + GetParam().text);

  EXPECT_FALSE(reading.loaded.has_value());
  ASSERT_THAT(reading.problems, SizeIs(1));
  EXPECT_THAT(reading.problems[0].source, StartsWith(files.directory()));
  EXPECT_EQ(reading.problems[0].line, GetParam().line);
  EXPECT_EQ(reading.problems[0].path, GetParam().path);
  EXPECT_THAT(reading.problems[0].what, HasSubstr(GetParam().what));
}

std::string NameOf(const ::testing::TestParamInfo<BadCase>& test) { return test.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Documents, BadConfigTest,
    ::testing::Values(
        BadCase{"Control", "source: a\x01", "", "byte 0x01"},
        BadCase{"NotUtf8", "source: \xC0\x80", "", "byte 0xC0"},
        BadCase{"Tab", "log:\n\tlevel: info", "", "a tab in the indentation", 3},
        BadCase{"Syntax", "source: [", "", "is no YAML or JSON"},
        BadCase{"TwoDocuments", "---\nsource: /x", "", "more than one document", 0},
        BadCase{"Duplicate", "source: /a\nsource: /b", "source", "the first is in line 2", 3},
        BadCase{"DuplicateInFlow", "log: {level: info, level: info}", "log.level", "duplicate key"},
        BadCase{"DuplicateTopic",
                "producer_config: {a: {t: {event_key_field: k, enabled: true}, t: {}}}",
                "producer_config.a.t", "duplicate key"},
        BadCase{"AliasInItself", "source: &a [*a]", "", "alias inside its own anchor"},
        BadCase{"MergeKey", "<<: {source: /x}", "<<", "merge key"},
        BadCase{"Tag", "source: !secret x", "", "the tag !secret"},
        BadCase{"KeyIsAList", "? [a]\n: b", "", "a key must be text"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Keys, BadConfigTest,
    ::testing::Values(
        BadCase{"Typo", "sorce: /x", "sorce", "did you mean source?"},
        BadCase{"TypoBelow", "subscribe:\n  leese: 1s", "subscribe.leese", "did you mean lease?",
                3},
        BadCase{"WrongSection", "lease: 1s", "lease", "did you mean subscribe.lease?"},
        BadCase{"Unheard", "frobnicate: 1", "frobnicate", "unknown key"},
        BadCase{"ListenKey", "listen: [{address: 127.0.0.1:1, mod: x}]", "listen[0].mod",
                "did you mean mode?"},
        BadCase{"SectionIsText", "log: info", "log", "expected a map of keys, found text"},
        BadCase{"SectionIsNull", "log:", "log", "expected a map of keys, found null"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Values, BadConfigTest,
    ::testing::Values(
        BadCase{"TextIsNumber", "source: 12", "source", "expected text, found a number"},
        BadCase{"TextIsBool", "source: yes", "source", "expected text, found true or false"},
        BadCase{"TextIsNull", "source:", "source", "expected text, found null"},
        BadCase{"TextIsList", "source: [a]", "source", "expected text, found a list"},
        BadCase{"BoolIsWord", "reflection: yes", "reflection", "expected true or false"},
        BadCase{"BoolInQuotes", "reflection: \"true\"", "reflection", "in quotes"},
        BadCase{"BoolIsNumber", "reflection: 1", "reflection", "expected true or false"},
        BadCase{"Choice", "log: {level: loud}", "log.level", "debug, info, warning, error"},
        BadCase{"NumberInQuotes", "limits: {max_streams: \"5\"}", "limits.max_streams", "quotes"},
        BadCase{"NumberIsOctal", "limits: {max_streams: 010}", "limits.max_streams", "octal"},
        BadCase{"NumberIsHex", "limits: {max_streams: 0x10}", "limits.max_streams", "not a whole"},
        BadCase{"NumberIsNegative", "limits: {max_streams: -1}", "limits.max_streams", "negative"},
        BadCase{"NumberIsFraction", "limits: {max_streams: 1.5}", "limits.max_streams",
                "not a whole"},
        BadCase{"NumberOverflows", "limits: {max_streams: 4294967296}", "limits.max_streams",
                "too large"},
        BadCase{"NumberTooSmall", "limits: {max_streams: 0}", "limits.max_streams",
                "the least is 1"},
        BadCase{"DurationWithoutUnit", "subscribe: {lease: 60}", "subscribe.lease",
                "without a unit"},
        BadCase{"DurationNegative", "subscribe: {lease: -1s}", "subscribe.lease", "negative"},
        BadCase{"DurationFraction", "subscribe: {lease: 1.5s}", "subscribe.lease",
                "whole numbers only"},
        BadCase{"DurationUnit", "subscribe: {lease: 5 min}", "subscribe.lease", "unknown unit"},
        BadCase{"DurationOverflows", "subscribe: {lease: 9999999999h}", "subscribe.lease",
                "too large"},
        BadCase{"DurationTooLong", "subscribe: {lease: 25h}", "subscribe.lease", "the most is 24h"},
        BadCase{"DurationIsAMap", "subscribe: {lease: {}}", "subscribe.lease",
                "expected a duration"},
        BadCase{"SizeWithoutUnit", "limits: {memory: 134217728}", "limits.memory",
                "without a unit"},
        BadCase{"SizeUnit", "limits: {memory: 128MB}", "limits.memory", "unknown unit \"MB\""},
        BadCase{"SizeOverflows", "limits: {memory: 99999999999GiB}", "limits.memory", "too large"},
        BadCase{"SizeTooSmall", "limits: {memory: 1MiB}", "limits.memory", "the least is 16MiB"},
        BadCase{"DeadLetterWord", "dead_letter: never", "dead_letter", "expected one of on, off"},
        BadCase{"DeadLetterPlaceholder", "dead_letter: {topic: \"{topic}.{grup}\"}",
                "dead_letter.topic", "makes no topic name"},
        BadCase{"DeadLetterNoName", "dead_letter: {topic: \"\"}", "dead_letter.topic",
                "makes no topic name"},
        BadCase{"Prefix", "topic_prefix: \"a b\"", "topic_prefix", "letters, digits"}),
    NameOf);

const std::string kLongPath = "unix:/tmp/" + std::string(103, 'x');  // 108 bytes of path

INSTANTIATE_TEST_SUITE_P(
    Addresses, BadConfigTest,
    ::testing::Values(
        BadCase{"NoPort", "admin: localhost", "admin", "no port"},
        BadCase{"PortTooLarge", "admin: localhost:65536", "admin", "from 0 to 65535"},
        BadCase{"NoHost", "admin: \":7421\"", "admin", "no host"},
        BadCase{"Scheme", "admin: http://localhost:1", "admin", "has a scheme"},
        BadCase{"BareV6", "admin: \"::1:80\"", "admin", "in brackets"},
        BadCase{"ListenIsText", "listen: 127.0.0.1:7420", "listen", "expected a list"},
        BadCase{"ListenIsEmpty", "listen: []", "listen", "the list is empty"},
        BadCase{"NoAddress", "listen: [{name: a}]", "listen[0]", "address is missing"},
        BadCase{"OtherMachines", "listen: [\"0.0.0.0:7420\"]", "listen[0]", "allow_insecure"},
        BadCase{"HostThatLooksLocal", "listen: [\"127.evil.example:1\"]", "listen[0]",
                "allow_insecure"},
        BadCase{"LongSocketPath", "listen: [\"" + kLongPath + "\"]", "listen[0]", "at most 107"},
        BadCase{"RelativeSocketPath", "listen: [\"unix:run/a\"]", "listen[0]", "is absolute"},
        BadCase{"NoParent", "listen: [\"unix:/nonexistent-sidebus/a.sock\"]", "listen[0]",
                "no directory /nonexistent-sidebus"},
        BadCase{"SocketIsADirectory", "listen: [\"unix:/tmp\"]", "listen[0]", "is no socket"},
        BadCase{"Twice", "listen: [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "listen[1]", "listed twice"},
        BadCase{
            "SameName",
            "listen: [{address: \"127.0.0.1:1\", name: a}, {address: \"127.0.0.1:2\", name: a}]",
            "listen[1]", "named \"a\""},
        BadCase{"PlainMode", "listen: [{address: unix:/tmp/a.sock, mode: 0660}]", "listen[0].mode",
                "octal digits in quotes"},
        BadCase{"ModeOfTcp", "listen: [{address: \"127.0.0.1:1\", mode: \"0660\"}]",
                "listen[0].mode", "only a Unix socket"},
        BadCase{"AdminIsASocket", "admin: unix:/tmp/a.sock", "admin", "write host:port"},
        BadCase{"ProbesAreASocket", "probes: unix:/tmp/a.sock", "probes", "write host:port"},
        BadCase{"AdminIsListen", "admin: 127.0.0.1:7420", "admin", "choose another port"},
        BadCase{"ProbesAreAdmin", "probes: 127.0.0.1:7421", "probes", "choose another port"},
        BadCase{"AdminApiForOthers", "admin_api: 0.0.0.0:7423", "admin_api", "there is no TLS"},
        BadCase{"AdminApiNowhere", "admin_api: unix:/nonexistent-sidebus/a.sock", "admin_api",
                "no directory /nonexistent-sidebus"},
        BadCase{"AdminApiIsAdmin", "admin_api: 127.0.0.1:7421", "admin_api", "choose another port"},
        BadCase{"AdminApiIsListen",
                "listen: [\"unix:/tmp/a.sock\"]\nadmin_api: \"unix:/tmp/a.sock\"", "admin_api",
                "listen and admin_api are both unix:/tmp/a.sock; choose another path", 3}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Contradictions, BadConfigTest,
    ::testing::Values(BadCase{"Lease", "subscribe: {min_lease: 2h}", "subscribe.min_lease",
                              "subscribe.lease"},
                      BadCase{"MaxLease", "subscribe: {max_lease: 5s}", "subscribe.max_lease",
                              "subscribe.lease (1m) is more than subscribe.max_lease (5s)"},
                      BadCase{"Backoff", "subscribe: {min_backoff: 1m}", "subscribe.min_backoff",
                              "subscribe.max_backoff"},
                      BadCase{"GraceAndPollInterval", "subscribe: {revoke_grace: 5m}",
                              "subscribe.revoke_grace", "max.poll.interval.ms (5m)"},
                      BadCase{"WindowEvents", "subscribe: {window: {events: 1001}}",
                              "subscribe.window.events", "subscribe.max_window.events"},
                      BadCase{"WindowBytes", "subscribe: {window: {bytes: 17MiB}}",
                              "subscribe.window.bytes", "subscribe.max_window.bytes"},
                      BadCase{"EventAndRequest", "limits: {max_event_bytes: 5MiB}",
                              "limits.max_event_bytes", "limits.max_request_bytes"},
                      BadCase{"Broadcast", "limits: {max_streams: 15}", "limits.max_streams",
                              "limits.max_broadcast_streams"},
                      BadCase{"RequestAndMemory", "limits: {max_request_bytes: 64MiB}",
                              "limits.max_request_bytes", "30 % of limits.memory"},
                      BadCase{"WindowAndMemory", "subscribe: {max_window: {bytes: 65MiB}}",
                              "subscribe.max_window.bytes", "50 % of limits.memory"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    ProducerConfigs, BadConfigTest,
    ::testing::Values(
        BadCase{"IsAList", "producer_config: []", "producer_config", "found a list"},
        BadCase{"IsNull", "producer_config:", "producer_config", "found null"},
        BadCase{"OldListForm",
                "producer_config: {a: [{topic: t, event_key_field: k, enabled: true}]}",
                "producer_config.a", "write each topic of the list as a key"},
        BadCase{"RouteIsBool", "producer_config: {a: {t: true}}", "producer_config.a.t",
                "found true or false"},
        BadCase{"NoKeyField", "producer_config: {a: {t: {enabled: true}}}", "producer_config.a.t",
                "event_key_field is missing"},
        BadCase{"NullKeyField", "producer_config: {a: {t: {enabled: true, event_key_field: null}}}",
                "producer_config.a.t", "event_key_field is missing"},
        BadCase{"NoEnabled", "producer_config: {a: {t: {event_key_field: k}}}",
                "producer_config.a.t", "enabled is missing"},
        BadCase{"KeyFieldIsNumber",
                "producer_config: {a: {t: {event_key_field: 1, enabled: true}}}",
                "producer_config.a.t.event_key_field", "expected text, found a number"},
        BadCase{"EnabledIsText",
                "producer_config: {a: {t: {event_key_field: k, enabled: \"true\"}}}",
                "producer_config.a.t.enabled", "expected true or false, found text"},
        BadCase{"EnabledIsNumber", "producer_config: {a: {t: {event_key_field: k, enabled: 1}}}",
                "producer_config.a.t.enabled", "expected true or false, found a number"},
        BadCase{"EmptyTopic", "producer_config: {a: {\"\": {event_key_field: k, enabled: true}}}",
                "producer_config.a.", "the topic's name is empty"},
        BadCase{"TopicWithSpace",
                "producer_config: {a: {\"my topic\": {event_key_field: k, enabled: false}}}",
                "producer_config.a.my topic", "letters, digits"},
        BadCase{"TopicIsDots", "producer_config: {a: {..: {event_key_field: k, enabled: true}}}",
                "producer_config.a...", "no topic of this name"},
        BadCase{"TopicTooLong",
                "producer_config: {a: {" + std::string(250, 't') +
                    ": {event_key_field: k, enabled: true}}}",
                "producer_config.a." + std::string(250, 't'), "Kafka's limit is 249"},
        BadCase{"EmptyEventType",
                "producer_config: {\"\": {t: {event_key_field: k, enabled: true}}}",
                "producer_config.", "an event type is not empty"}),
    NameOf);

BadCase Later(const std::string& name, const std::string& text, const std::string& path) {
  return {name, text, path, "not supported by this version", 2};
}

INSTANTIATE_TEST_SUITE_P(
    NotYet, BadConfigTest,
    ::testing::Values(
        Later("Access", "access: {app: {}}", "access"), Later("Tls", "tls: {}", "tls"),
        Later("ListenTls", "listen: [{address: \"127.0.0.1:1\", tls: {}}]", "listen[0].tls"),
        Later("ListenTokens", "listen: [{address: \"127.0.0.1:1\", tokens: optional}]",
              "listen[0].tokens"),
        Later("PerPartition", "metrics: {per_partition: true}", "metrics.per_partition")),
    NameOf);

TEST(BadBrokerTest, SaysWhatIsMissingOrNotSupported) {
  const ConfigFiles files;
  const auto first = [&](const std::string& text) { return files.Read(text).problems.at(0).what; };

  EXPECT_THAT(first("source: /x"), HasSubstr("broker: {kind: kafka}"));
  EXPECT_THAT(first("broker: {kind: kafka}"), HasSubstr("--bootstrap-servers"));
  EXPECT_THAT(first("broker: {kind: redis}"), HasSubstr("redis is not supported by this version"));
  EXPECT_THAT(first("broker: {kind: pulsar}"), HasSubstr("expected one of embedded, kafka"));
  EXPECT_THAT(first("broker: {kind: kafka, kafka: {bootstrap_servers: []}}"),
              HasSubstr("at least one broker"));
  EXPECT_THAT(first("broker: {kind: kafka, kafka: {bootstrap_servers: b:9092}}"),
              HasSubstr("expected a list"));
  EXPECT_THAT(first("broker: {kind: embedded, kafka: {password_file: x}}"),
              HasSubstr("not supported by this version"));
  EXPECT_THAT(first("broker: {kind: embedded}\nsubscribe: {group_protocol: consumer}"),
              HasSubstr("the embedded broker has the classic protocol only"));
}

TEST(BadStaticMemberTest, SaysWhatIsWrong) {
  const ConfigFiles files;
  const auto first = [&](const std::string& value) {
    ConfigSources sources;
    sources.environment["EMPTY"] = "";
    sources.environment["ADDRESS"] = "10.0.0.1:80";
    sources.file = files.Write(
        "c.yaml", "broker: {kind: embedded}\nsubscribe:\n  static_member: \"" + value + "\"\n");
    return ReadConfig(sources).problems.at(0);
  };

  EXPECT_EQ(first("${POD_NAME}").path, "subscribe.static_member");
  EXPECT_EQ(first("${POD_NAME}").line, 3);
  EXPECT_THAT(first("${POD_NAME}").what, HasSubstr("POD_NAME is not set"));
  EXPECT_THAT(first("a-${EMPTY}").what, HasSubstr("EMPTY is empty"));
  EXPECT_THAT(first("a-${EMPTY").what, HasSubstr("has no \"}\""));
  EXPECT_THAT(first("${ADDRESS}").what, HasSubstr("10.0.0.1:80"));
  EXPECT_THAT(first(std::string(250, 'a')).what, HasSubstr("at most 249"));
}

TEST(BadBrokerTest, ChecksPropertiesByNameAlsoForTheEmbeddedBroker) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.is_kafka_property = [](std::string_view name) { return name != "compresion.type"; };
  sources.file = files.Write("c.yaml",
                             "broker:\n  kind: embedded\n  kafka:\n    properties:\n"
                             "      compresion.type: lz4\n"
                             "      plugin.library.paths: /x.so\n"
                             "      enable.idempotence: false\n"
                             "      acks: 1\n"
                             "      enable.ssl.certificate.verification: false\n"
                             "      error_cb: 1\n"
                             "      linger.ms: 5\n");

  const ConfigReading reading = ReadConfig(sources);

  const auto at = [](int line, const std::string& what) {
    return AllOf(Field(&ConfigProblem::line, line), Field(&ConfigProblem::what, HasSubstr(what)));
  };
  EXPECT_THAT(reading.problems,
              ElementsAre(at(5, "no such property"), at(6, "run other code"), at(7, "promises"),
                          at(8, "promises"), at(9, "brokers must prove"), at(10, "Sidebus sets")));
}

TEST(BadBrokerTest, APollIntervalHoldsASessionAndAHandOver) {
  const ConfigFiles files;
  const auto problems = [&](const std::string& properties) {
    return files.Read("broker: {kind: embedded, kafka: {properties: {" + properties + "}}}")
        .problems;
  };

  EXPECT_THAT(problems("max.poll.interval.ms: 10000, session.timeout.ms: 6000"), IsEmpty());
  const auto below = problems("max.poll.interval.ms: 10000");
  ASSERT_THAT(below, SizeIs(1));
  EXPECT_EQ(below[0].path, "broker.kafka.properties");
  EXPECT_THAT(below[0].what, HasSubstr("less than session.timeout.ms (45s)"));
  const auto hurried = problems("max.poll.interval.ms: 5000, session.timeout.ms: 5000");
  ASSERT_THAT(hurried, SizeIs(1));
  EXPECT_THAT(hurried[0].what, HasSubstr("revoke_grace (2s)"));
}

TEST(BadFileTest, SaysWhyItCannotBeRead) {
  const ConfigFiles files;
  const auto problem = [](const std::string& file) {
    ConfigSources sources;
    sources.file = file;
    const ConfigReading reading = ReadConfig(sources);
    EXPECT_THAT(reading.problems, SizeIs(1));
    return reading.problems.at(0).what;
  };

  EXPECT_THAT(problem(files.directory() + "/none"), HasSubstr("No such file"));
  EXPECT_THAT(problem(files.directory()), HasSubstr("is a directory"));
  EXPECT_THAT(problem("/dev/zero"), HasSubstr("not a regular file"));
  EXPECT_THAT(problem(files.Write("empty", "")), HasSubstr("is empty"));
  EXPECT_THAT(problem(files.Write("comment", "# nothing\n")), HasSubstr("is empty"));
  EXPECT_THAT(problem(files.Write("large", std::string((1 << 20) + 1, '#'))),
              HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(problem(files.Write("bom", "\xEF\xBB\xBF{}")), HasSubstr("byte order mark"));
  EXPECT_THAT(problem(files.Write("utf16", "\xFF\xFE{}")), HasSubstr("byte order mark"));
  EXPECT_THAT(problem(files.Write("elf", std::string("\x7F"
                                                     "ELF\0\0",
                                                     6))),
              HasSubstr("byte 0x7F"));
  EXPECT_THAT(problem(files.Write("list", "[1]")), HasSubstr("expected a map of keys"));
}

TEST(BadFileTest, AHugeFileIsNotEvenRead) {
  const ConfigFiles files;
  const std::string file = files.Write("huge", "broker: {kind: embedded}\n");
  std::filesystem::resize_file(file, 100 << 20);
  ConfigSources sources;
  sources.file = file;

  EXPECT_THAT(ReadConfig(sources).problems.at(0).what, HasSubstr("larger than 1 MiB"));
}

TEST(BadFileTest, ABombOfAliasesAndDeepNestingEndEarly) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += "*a" + std::to_string(i - 1) + ", ";
    bomb += "]\n";
  }
  const ConfigFiles files;

  EXPECT_THAT(files.Read(bomb).problems.at(0).what, HasSubstr("aliases are expanded"));
  EXPECT_THAT(files.Read("a: " + std::string(100'000, '[')).problems.at(0).what,
              HasSubstr("nested too deep"));
}

TEST(BadFileTest, AllProblemsAreReportedAtOnceEachInItsLine) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(
      "broker: {kind: embedded}\n"
      "sorce: /x\n"
      "subscribe:\n"
      "  lease: 60\n"
      "  min_backoff: 1m\n"
      "access: {}\n"
      "producer_config:\n"
      "  order.created:\n"
      "    orders: {enabled: \"yes\", event_key_field: k}\n");

  std::vector<int> lines;
  for (const ConfigProblem& problem : reading.problems) lines.push_back(problem.line);
  EXPECT_THAT(lines, ::testing::UnorderedElementsAre(2, 4, 5, 6, 9));
  EXPECT_THAT(LoadConfig({files.directory() + "/config.yaml", {}, {}, {}}).status().code(),
              absl::StatusCode::kInvalidArgument);
}

TEST(GoodFileTest, JsonWithTabsIsReadLikeYaml) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(
      "{\n\t\"broker\": {\"kind\": \"embedded\"},\n\t\"reflection\": true,\n"
      "\t\"source\": \"\\u002fa\\/b\", \"subscribe\": {\"lease\": \"5s\"}\n}\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.loaded->config.source, "/a/b");
  EXPECT_EQ(reading.loaded->config.subscribe.lease, std::chrono::seconds(5));
  EXPECT_TRUE(reading.loaded->config.reflection);
}

TEST(GoodFileTest, AnAliasMayBeUsed) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(
      "broker: {kind: embedded}\n"
      "producer_config:\n"
      "  a: &orders {orders: {event_key_field: id, enabled: true}}\n"
      "  b: *orders\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  ASSERT_THAT(reading.loaded->config.producer_config, SizeIs(2));
  EXPECT_EQ(reading.loaded->config.producer_config[1].routes,
            reading.loaded->config.producer_config[0].routes);
}

TEST(GoodFileTest, TwoTypesMayShareATopicWithDifferentKeyFields) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(
      "broker: {kind: embedded}\n"
      "producer_config:\n"
      "  a: {t: {event_key_field: x.id, enabled: true}}\n"
      "  b: {t: {event_key_field: y.id, enabled: true}}\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_THAT(reading.warnings, IsEmpty());
}

TEST(GoodFileTest, DefaultsOfWhatIsNotBuiltYetMayBeWritten) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(
      "broker: {kind: embedded}\nencoding: cloudevents\n"
      "metrics: {per_partition: false}\n");

  EXPECT_THAT(reading.problems, IsEmpty());
}

TEST(GoodFileTest, ListenersMayBeMapsWithNamesAndPermissions) {
  const ConfigFiles files;
  const std::string socket = files.directory() + "/orders.sock";

  const ConfigReading reading =
      files.Read("broker: {kind: embedded}\nlisten:\n- unix://" + socket +
                 "\n- {address: \"0.0.0.0:0\", name: all, allow_insecure: true}\n"
                 "- {address: \"unix:" +
                 socket + "2\", mode: \"600\", group: app}\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_THAT(reading.loaded->config.listen,
              ElementsAre(ListenConfig{{"", 0, socket}, "orders", 0660, "", false},
                          ListenConfig{{"0.0.0.0", 0, ""}, "all", 0660, "", true},
                          ListenConfig{{"", 0, socket + "2"}, "orders.sock2", 0600, "app", false}));
}

}  // namespace
}  // namespace sidebus
