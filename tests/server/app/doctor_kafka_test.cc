#include "server/app/doctor_kafka.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kEvent = 1'000'000;

TopicFacts GoodTopic() {
  TopicFacts topic;
  topic.name = "orders";
  topic.presence = TopicPresence::kThere;
  topic.partitions = 6;
  topic.replicas = 3;
  topic.in_sync = 3;
  topic.min_in_sync = 2;
  topic.max_message_bytes = 1'048'588;
  return topic;
}

Reach Reaching(Reach::End end, std::string why = "") {
  Reach reach;
  reach.end = end;
  reach.address = "10.0.0.1";
  reach.why = std::move(why);
  reach.took = std::chrono::milliseconds(2);
  return reach;
}

// The row of that name.
Finding RowOf(const std::string& check, const std::vector<Finding>& rows) {
  for (const Finding& row : rows) {
    if (row.check == check) return row;
  }
  ADD_FAILURE() << "no row " << check;
  return {};
}

TEST(DoctorTopicTest, AGoodTopicIsOk) {
  const Finding row = JudgeTopic(GoodTopic(), kEvent);

  EXPECT_EQ(row.verdict, Verdict::kOk);
  EXPECT_EQ(row.subject, "orders");
  EXPECT_EQ(row.found,
            "6 partitions, 3 replicas, min.insync.replicas 2, max.message.bytes 1048588");
  EXPECT_EQ(row.fix, "");
}

TEST(DoctorTopicTest, AMissingTopicFailsAndTheFixMakesIt) {
  TopicFacts topic = GoodTopic();
  topic.presence = TopicPresence::kMissing;

  const Finding row = JudgeTopic(topic, kEvent);

  EXPECT_EQ(row.verdict, Verdict::kFailed);
  EXPECT_THAT(row.fix, HasSubstr("--create --topic orders"));
}

TEST(DoctorTopicTest, ATopicThatKafkaHidesFailsAndIsNotCalledMissing) {
  TopicFacts topic = GoodTopic();
  topic.presence = TopicPresence::kDenied;

  const Finding row = JudgeTopic(topic, kEvent);

  EXPECT_EQ(row.verdict, Verdict::kFailed);
  EXPECT_THAT(row.found, Not(HasSubstr("does not exist")));
  EXPECT_THAT(row.fix, HasSubstr("Describe"));
}

TEST(DoctorTopicTest, NoAnswerIsNoJudgementOfTheTopic) {
  TopicFacts topic;
  topic.name = "orders";

  EXPECT_EQ(JudgeTopic(topic, kEvent).found, "no answer in time");
}

struct TopicCase {
  std::string name;
  void (*change)(TopicFacts&);
  Verdict verdict;
  std::string says;
};
class DoctorTopicFaultTest : public ::testing::TestWithParam<TopicCase> {};

TEST_P(DoctorTopicFaultTest, IsSaid) {
  TopicFacts topic = GoodTopic();
  GetParam().change(topic);

  const Finding row = JudgeTopic(topic, kEvent);

  EXPECT_EQ(row.verdict, GetParam().verdict) << row.found;
  EXPECT_THAT(row.found, HasSubstr(GetParam().says));
  EXPECT_EQ(row.fix.empty(), row.verdict == Verdict::kOk);
}

const std::vector<TopicCase> kTopicCases = {
    {"OneReplica",
     [](TopicFacts& t) {
       t.replicas = t.in_sync = 1;
       t.min_in_sync = 1;
     },
     Verdict::kWarning, "1 replica,"},
    {"TwoReplicas", [](TopicFacts& t) { t.replicas = t.in_sync = 2; }, Verdict::kWarning,
     "fewer than 3 replicas; publishing stops as soon as one broker is down"},
    {"AcksOfOneBroker", [](TopicFacts& t) { t.min_in_sync = 1; }, Verdict::kWarning,
     "what is published may be on one broker only"},
    {"AcksOfAllReplicas", [](TopicFacts& t) { t.min_in_sync = 3; }, Verdict::kWarning,
     "publishing stops as soon as one broker is down"},
    {"AcksOfMoreThanAll", [](TopicFacts& t) { t.min_in_sync = 4; }, Verdict::kFailed,
     "min.insync.replicas is more than there are replicas"},
    {"AReplicaBehind", [](TopicFacts& t) { t.in_sync = 2; }, Verdict::kWarning, "only 2 in sync"},
    {"TooFewInSync", [](TopicFacts& t) { t.in_sync = 1; }, Verdict::kFailed, "only 1 in sync"},
    {"NoLeader", [](TopicFacts& t) { t.leaderless = 2; }, Verdict::kFailed,
     "2 partitions without a leader"},
    {"SmallMessages", [](TopicFacts& t) { t.max_message_bytes = 999'999; }, Verdict::kWarning,
     "less than limits.max_event_bytes (1000000)"},
    {"SettingsNotTold", [](TopicFacts& t) { t.min_in_sync = t.max_message_bytes = std::nullopt; },
     Verdict::kOk, "not told (needs DescribeConfigs)"},
};
INSTANTIATE_TEST_SUITE_P(Faults, DoctorTopicFaultTest, ::testing::ValuesIn(kTopicCases),
                         [](const auto& test) { return test.param.name; });

TEST(DoctorTopicTest, AFailureIsNotHiddenByALaterWarning) {
  TopicFacts topic = GoodTopic();
  topic.leaderless = 1;
  topic.replicas = topic.in_sync = 2;

  EXPECT_EQ(JudgeTopic(topic, kEvent).verdict, Verdict::kFailed);
}

TEST(DoctorBootstrapTest, AServerThatIsAwayIsAWarningWhileAnotherOneConnects) {
  const Reach good = Reaching(Reach::End::kConnected);
  const Reach bad = Reaching(Reach::End::kRefused, "Connection refused");

  const auto mixed = JudgeBootstrap({"a:1", "b:2"}, {bad, good});
  const auto alone = JudgeBootstrap({"a:1"}, {bad});

  EXPECT_EQ(mixed[0].verdict, Verdict::kWarning);
  EXPECT_EQ(mixed[1].verdict, Verdict::kOk);
  EXPECT_EQ(mixed[1].found, "10.0.0.1, connects in 2 ms");
  EXPECT_EQ(alone[0].verdict, Verdict::kFailed);
  EXPECT_EQ(alone[0].subject, "a:1");
  EXPECT_EQ(alone[0].found, "10.0.0.1: Connection refused");
}

TEST(DoctorBrokerTest, AnAddressThatClientsAreToldAndCannotReachIsAFailure) {
  const Finding row =
      JudgeBroker({7, "kafka-0.local", 9092}, Reaching(Reach::End::kNoAddress, "unknown"));

  EXPECT_EQ(row.verdict, Verdict::kFailed);
  EXPECT_EQ(row.subject, "7 at kafka-0.local:9092");
  EXPECT_THAT(row.fix, HasSubstr("advertised.listeners"));
}

TEST(DoctorConnectionTest, SecurityIsReadFromTheProperties) {
  const KafkaSecurity plain = KafkaSecurityOf({});
  const KafkaSecurity both =
      KafkaSecurityOf({{"security.protocol", "SASL_SSL"}, {"sasl.mechanism", "PLAIN"}});

  EXPECT_EQ(plain.protocol, "plaintext");
  EXPECT_FALSE(plain.tls || plain.sasl);
  EXPECT_TRUE(both.tls && both.sasl);
  EXPECT_EQ(both.mechanism, "PLAIN");
}

struct ConnectionCase {
  std::string name;
  ConnectProblem problem;
  Verdict tls;
  Verdict sasl;
  Verdict cluster;
};
class DoctorConnectionProblemTest : public ::testing::TestWithParam<ConnectionCase> {};

TEST_P(DoctorConnectionProblemTest, HasItsRow) {
  const KafkaSecurity security =
      KafkaSecurityOf({{"security.protocol", "sasl_ssl"}, {"sasl.mechanism", "PLAIN"}});
  ClusterFacts facts;
  facts.problem = GetParam().problem;
  facts.detail = "words of librdkafka";

  const auto rows = JudgeConnection(facts, security);

  EXPECT_EQ(RowOf("tls", rows).verdict, GetParam().tls);
  EXPECT_EQ(RowOf("sasl", rows).verdict, GetParam().sasl);
  EXPECT_EQ(RowOf("cluster", rows).verdict, GetParam().cluster);
  for (const Finding& row : rows) {
    if (row.verdict != Verdict::kFailed) continue;
    EXPECT_THAT(row.found, HasSubstr("words of librdkafka"));
    EXPECT_NE(row.fix, "");
  }
}

constexpr Verdict kGood = Verdict::kOk;
constexpr Verdict kBad = Verdict::kFailed;
constexpr Verdict kNot = Verdict::kSkipped;
const std::vector<ConnectionCase> kConnectionCases = {
    {"None", ConnectProblem::kNone, kGood, kGood, kGood},
    {"NoAnswer", ConnectProblem::kNoAnswer, kNot, kNot, kBad},
    {"Unreachable", ConnectProblem::kUnreachable, kNot, kNot, kBad},
    {"Listener", ConnectProblem::kListener, kBad, kNot, kNot},
    {"Tls", ConnectProblem::kTls, kBad, kNot, kNot},
    {"Login", ConnectProblem::kLogin, kGood, kBad, kNot},
};
INSTANTIATE_TEST_SUITE_P(Problems, DoctorConnectionProblemTest,
                         ::testing::ValuesIn(kConnectionCases),
                         [](const auto& test) { return test.param.name; });

TEST(DoctorConnectionTest, WithoutTlsAndSaslTheirRowsAreSkipped) {
  ClusterFacts facts;
  facts.problem = ConnectProblem::kNone;
  facts.id = "abc";
  facts.brokers.resize(3);

  const auto rows = JudgeConnection(facts, KafkaSecurityOf({}));

  EXPECT_EQ(RowOf("tls", rows).verdict, Verdict::kSkipped);
  EXPECT_EQ(RowOf("sasl", rows).verdict, Verdict::kSkipped);
  EXPECT_EQ(RowOf("cluster", rows).found, "3 brokers of cluster abc");
}

TEST(DoctorVersionsTest, WhatBrokersLackIsAFailureOnlyWhereItIsVital) {
  const KafkaApis kafka4 = {{0, 13}, {1, 17}, {3, 13}, {22, 5}, {23, 4}, {68, 1}};
  KafkaApis kafka2 = kafka4;
  kafka2[3] = 9;
  kafka2.erase(68);
  KafkaApis kafka0 = kafka4;
  kafka0.erase(22);

  EXPECT_EQ(JudgeVersions(kafka4, RebalanceProtocol::kConsumer).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeVersions(kafka2, RebalanceProtocol::kClassic).verdict, Verdict::kWarning);
  EXPECT_EQ(JudgeVersions(kafka2, RebalanceProtocol::kAuto).verdict, Verdict::kWarning);
  EXPECT_EQ(JudgeVersions(kafka2, RebalanceProtocol::kConsumer).verdict, Verdict::kFailed);
  EXPECT_EQ(JudgeVersions(kafka0, RebalanceProtocol::kClassic).verdict, Verdict::kFailed);
  EXPECT_EQ(JudgeVersions({}, RebalanceProtocol::kConsumer).verdict, Verdict::kSkipped);
}

}  // namespace
}  // namespace sidebus
