// Questions to librdkafka's mock cluster, which answers only some of them. A real Kafka is asked in
// tests/e2e/test_doctor.py.

#include "server/broker/kafka/kafka_inspector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
// After it:
#include <librdkafka/rdkafka_mock.h>

#include "server/broker/embedded/embedded_broker.h"
#include "tests/support/bound_port.h"
#include "tests/support/fake_http_server.h"

namespace sidebus {
namespace {

using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Long enough for a busy machine; nothing waits for it to pass.
constexpr auto kLongPatienceOfInspectors = std::chrono::seconds(30);

SteadyTime In(Duration time) { return Clock::Real().Now() + time; }

class KafkaInspectorTest : public ::testing::Test {
 protected:
  void StartCluster() {
    EmbeddedBrokerOptions options;
    options.topics = {"orders", "payments"};
    options.brokers = 3;
    auto made = EmbeddedBroker::Make(std::move(options));
    ASSERT_TRUE(made.ok()) << made.status();
    cluster_ = *std::move(made);
    options_.bootstrap_servers = {cluster_->bootstrap_servers()};
  }

  std::unique_ptr<KafkaInspector> Inspector() { return KafkaInspector::Make(options_).value(); }

  std::unique_ptr<EmbeddedBroker> cluster_;
  KafkaBrokerOptions options_;
};

TEST_F(KafkaInspectorTest, TellsTheBrokersOfACluster) {
  StartCluster();
  const auto inspector = Inspector();

  const ClusterFacts facts = inspector->AskCluster(In(kLongPatienceOfInspectors));

  EXPECT_EQ(facts.problem, ConnectProblem::kNone) << facts.detail;
  ASSERT_THAT(facts.brokers, SizeIs(3));
  EXPECT_EQ(facts.brokers[0].host, "127.0.0.1");
  EXPECT_THAT(facts.brokers[0].port, Gt(0));
}

// It is the only place where librdkafka says it: a new version may say it in other words.
TEST_F(KafkaInspectorTest, ReadsFromTheLogWhatBrokersCanDo) {
  StartCluster();
  const auto inspector = Inspector();

  inspector->AskCluster(In(kLongPatienceOfInspectors));

  EXPECT_THAT(inspector->apis(), SizeIs(Gt(10u)));
  EXPECT_GE(inspector->apis().at(3), 1) << "Metadata";
}

TEST_F(KafkaInspectorTest, TellsWhatTopicsAreLikeInTheOrderOfTheirNames) {
  StartCluster();
  const auto inspector = Inspector();
  inspector->AskCluster(In(kLongPatienceOfInspectors));

  const auto topics =
      inspector->AskTopics({"payments", "nowhere", "orders"}, In(kLongPatienceOfInspectors));

  ASSERT_THAT(topics, SizeIs(3));
  EXPECT_EQ(topics[0].name, "payments");
  EXPECT_EQ(topics[0].presence, TopicPresence::kThere) << topics[0].error;
  EXPECT_EQ(topics[0].partitions, 2);
  EXPECT_THAT(topics[0].replicas, Gt(0));
  EXPECT_EQ(topics[0].leaderless, 0);
  EXPECT_EQ(topics[1].presence, TopicPresence::kMissing) << topics[1].error;
  EXPECT_EQ(topics[2].presence, TopicPresence::kThere) << topics[2].error;
  // The mock cluster tells neither.
  EXPECT_FALSE(topics[0].operations.has_value());
  EXPECT_FALSE(topics[0].max_message_bytes.has_value());
}

TEST_F(KafkaInspectorTest, SaysAtOnceThatNobodyListens) {
  const BoundPort one(false);
  const BoundPort two(false);
  options_.bootstrap_servers = {one.server(), two.server()};

  const ClusterFacts facts = Inspector()->AskCluster(In(std::chrono::hours(1)));

  EXPECT_EQ(facts.problem, ConnectProblem::kUnreachable);
  EXPECT_THAT(facts.detail, HasSubstr("Connection refused"));
}

TEST_F(KafkaInspectorTest, ATlsListenerIsNeeded) {
  StartCluster();
  options_.properties = {{"security.protocol", "ssl"}};

  const ClusterFacts facts = Inspector()->AskCluster(In(std::chrono::hours(1)));

  EXPECT_THAT(facts.problem, ::testing::AnyOf(ConnectProblem::kListener, ConnectProblem::kTls))
      << facts.detail;
}

TEST_F(KafkaInspectorTest, ACertificateThatNobodyTrustsIsTold) {
  // It need not be Kafka: the handshake comes first.
  const FakeHttpServer server([](const auto&, auto&) {}, FakeHttpServer::MakeIdentity("127.0.0.1"));
  options_.bootstrap_servers = {server.url().substr(std::string("https://").size())};
  options_.properties = {{"security.protocol", "ssl"}};

  const ClusterFacts facts = Inspector()->AskCluster(In(std::chrono::hours(1)));

  EXPECT_EQ(facts.problem, ConnectProblem::kTls);
  EXPECT_THAT(facts.detail, HasSubstr("certificate"));
}

TEST_F(KafkaInspectorTest, EveryQuestionEndsWithItsTime) {
  const BoundPort silent(true);
  options_.bootstrap_servers = {silent.server()};
  const auto inspector = Inspector();
  constexpr auto kShort = std::chrono::milliseconds(100);

  EXPECT_EQ(inspector->AskCluster(In(kShort)).problem, ConnectProblem::kNoAnswer);
  EXPECT_EQ(inspector->AskTopics({"a"}, In(kShort)).at(0).presence, TopicPresence::kUnknown);
  EXPECT_EQ(inspector->AskGroups({"g"}, In(kShort)).at(0).may_read, KafkaPermission::kUnknown);
  EXPECT_EQ(inspector->AskCreation({{.name = "n"}}, In(kShort)).at(0).may_create,
            KafkaPermission::kUnknown);
  EXPECT_THAT(inspector->apis(), IsEmpty());
}

TEST_F(KafkaInspectorTest, APropertyThatIsWrongIsNamedWithoutItsValue) {
  options_.bootstrap_servers = {"127.0.0.1:1"};
  options_.properties = {{"security.protocol", "hunter2"}};

  const auto made = KafkaInspector::Make(options_);

  EXPECT_THAT(std::string(made.status().message()), HasSubstr("security.protocol"));
  EXPECT_THAT(std::string(made.status().message()), ::testing::Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace sidebus
