#include <time.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/base/log.h"
#include "tests/server/broker/kafka/kafka_producer_fixture.h"

namespace sidebus {
namespace {

using Outcome = DeliveryReport::Outcome;

constexpr std::chrono::milliseconds kLong = std::chrono::seconds(10);
// Of a partition librdkafka's idempotent producer has so many records on their way before it lets
// others wait (RD_KAFKA_IDEMP_MAX_INFLIGHT).
constexpr int kMostAlone = 5;

class KafkaProducerTest : public KafkaProducerFixture {
 protected:
  // The broker has it, and is long in answering.
  Sent& ProduceUnanswered(ProducerTopic& topic) {
    SetRoundTrip(kLong);
    TrackRequests();
    Sent& sent = Produce(topic);
    EXPECT_TRUE(listener_.WaitUntil([this] { return RequestsSeen(kProduceRequest) > 0; }));
    return sent;
  }
};

// Of all threads of this process.
std::chrono::nanoseconds ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

struct BrokerErrorCase {
  std::string name;
  rd_kafka_resp_err_t error;
  Reason reason;
};

class KafkaBrokerErrorTest : public KafkaProducerFixture,
                             public ::testing::WithParamInterface<BrokerErrorCase> {};

TEST_P(KafkaBrokerErrorTest, ARefusalOfTheBrokerIsNotWrittenAndLaterRecordsAre) {
  ProducerTopic& topic = Start();
  FailRequests(kProduceRequest, {GetParam().error});

  const DeliveryReport report = Produce(topic).Report();

  EXPECT_EQ(report.outcome, Outcome::kNotWritten);
  EXPECT_EQ(ReasonName(ReasonOf(report.error)), ReasonName(GetParam().reason)) << report.error;
  EXPECT_EQ(std::string(report.error.message()).find("orders"), std::string::npos)
      << "a name that may have a prefix: " << report.error;
  // The client remembers that a topic is denied until it is looked up again.
  EXPECT_TRUE(listener_.WaitUntil([&] {
    Sent next("b");
    return producer_->Produce(topic, next).ok() && next.Report().outcome == Outcome::kWritten;
  }));
}

INSTANTIATE_TEST_SUITE_P(
    Errors, KafkaBrokerErrorTest,
    ::testing::Values(
        BrokerErrorCase{"TooLarge", RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Reason::kEventTooLarge},
        BrokerErrorCase{"Denied", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                        Reason::kBrokerDenied},
        BrokerErrorCase{"Invalid", RD_KAFKA_RESP_ERR_INVALID_RECORD, Reason::kEventInvalid}),
    [](const auto& test) { return test.param.name; });

TEST_F(KafkaProducerTest, ARetryThatTheBrokerRecognisesIsWrittenAtAnUnknownOffset) {
  options_.linger = std::chrono::milliseconds(500);  // so that they are one request
  ProducerTopic& topic = Start();
  TrackRequests();
  FailRequests(kProduceRequest, {RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER});

  for (int i = 0; i < 3; ++i) Produce(topic);

  for (const auto& sent : sent_) {
    const DeliveryReport report = sent->Report();
    EXPECT_EQ(report.outcome, Outcome::kWritten);
    EXPECT_TRUE(report.error.ok());
    EXPECT_EQ(report.offset, -1);
  }
  EXPECT_EQ(RequestsSeen(kProduceRequest), 1);
}

// Order over retries needs a broker that checks sequence numbers, which the mock cluster does not: it
// writes a request that was sent behind one that failed.
TEST_F(KafkaProducerTest, RecordsAreInTheOrderOfTheCalls) {
  ProducerTopic& topic = Start();

  for (int i = 0; i < 2000; ++i) Produce(topic, std::to_string(i));

  for (int i = 0; i < 2000; ++i) {
    const DeliveryReport report = sent_[static_cast<std::size_t>(i)]->Report();
    ASSERT_EQ(report.outcome, Outcome::kWritten) << report.error;
    ASSERT_EQ(report.offset, i);
  }
}

TEST_F(KafkaProducerTest, ARequestThatFailsInPassingIsRetriedAndWrittenOnce) {
  ProducerTopic& topic = Start();
  FailRequests(kProduceRequest,
               {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT});

  const DeliveryReport report = Produce(topic).Report();

  EXPECT_EQ(report.outcome, Outcome::kWritten) << report.error;
  EXPECT_EQ(report.offset, 0);
  EXPECT_EQ(Produce(topic).Report().offset, 1);
}

TEST_F(KafkaProducerTest, ARecordLargerThanTheClientsLimitIsRefusedAtOnce) {
  options_.properties["message.max.bytes"] = "100000";
  ProducerTopic& topic = Start();
  Sent large(std::string(1'000'000, 'x'));

  const absl::Status refused = producer_->Produce(topic, large);

  EXPECT_EQ(ReasonOf(refused), Reason::kEventTooLarge) << refused;
  EXPECT_EQ(large.reports(), 0);
  EXPECT_EQ(producer_->in_flight(), 0u);
}

TEST_F(KafkaProducerTest, RecordsBehindThoseOnTheirWayTravelTogether) {
  ProducerTopic& topic = Start();
  Produce(topic).Report();  // the client knows its producer id
  SetRoundTrip(std::chrono::milliseconds(200));
  TrackRequests();

  for (int i = 0; i < 100; ++i) Produce(topic);
  for (const auto& sent : sent_) EXPECT_EQ(sent->Report().outcome, Outcome::kWritten);

  EXPECT_LE(RequestsSeen(kProduceRequest), kMostAlone + 1);
}

// server/docs/adr/0078
TEST_F(KafkaProducerTest, NoProcessorIsBusyWhileRecordsWaitForAResponse) {
  ProducerTopic& topic = Start();
  Produce(topic).Report();
  constexpr std::chrono::milliseconds kRoundTrip{600};
  SetRoundTrip(kRoundTrip);
  const auto before = ProcessorTime();

  Sent& first = Produce(topic);
  EXPECT_TRUE(listener_.WaitUntil([&] {  // which looks every 10 ms
    Produce(topic);
    return first.reports() > 0;
  }));

  EXPECT_LT(ProcessorTime() - before, kRoundTrip / 2);
}

TEST_F(KafkaProducerTest, WhatWaitsForOthersIsNotWrittenAfterAPurge) {
  options_.linger = std::chrono::milliseconds(100);  // so that the first few are one request
  ProducerTopic& topic = Start();
  Produce(topic).Report();
  SetRoundTrip(kLong);
  TrackRequests();
  for (int i = 0; i < kMostAlone; ++i) Produce(topic);
  ASSERT_TRUE(listener_.WaitUntil([&] { return RequestsSeen(kProduceRequest) > 0; }));
  for (int i = 0; i < kMostAlone; ++i) Produce(topic);

  producer_->Purge();

  EXPECT_EQ(sent_.back()->Report().outcome, Outcome::kNotWritten);
  EXPECT_TRUE(producer_->Flush(Clock::Real().Now() + kPatience));
}

TEST_F(KafkaProducerTest, WhatNoBrokerWasGivenIsNotWrittenAfterAPurge) {
  options_.linger = kLong;
  ProducerTopic& topic = Start();
  Sent& sent = Produce(topic);

  producer_->Purge();

  const DeliveryReport report = sent.Report();
  EXPECT_EQ(report.outcome, Outcome::kNotWritten);
  EXPECT_EQ(ReasonOf(report.error), Reason::kBrokerDown) << report.error;
}

TEST_F(KafkaProducerTest, WhatABrokerWasGivenAndDidNotAnswerIsUnknownAfterAPurge) {
  ProducerTopic& topic = Start();
  ASSERT_EQ(Produce(topic).Report().outcome, Outcome::kWritten);
  Sent& sent = ProduceUnanswered(topic);

  producer_->Purge();

  const DeliveryReport report = sent.Report();
  EXPECT_EQ(report.outcome, Outcome::kUnknown);
  EXPECT_EQ(ReasonOf(report.error), Reason::kDeliveryTimeout) << report.error;
}

TEST_F(KafkaProducerTest, FlushGivesUpAtItsDeadlineAndSaysSo) {
  options_.linger = kLong;
  ProducerTopic& topic = Start();
  Produce(topic);

  EXPECT_FALSE(producer_->Flush(Clock::Real().Now() + std::chrono::milliseconds(10)));
  producer_->Purge();
  EXPECT_TRUE(producer_->Flush(Clock::Real().Now() + kPatience));
}

TEST_F(KafkaProducerTest, TheDestructorReportsEverythingThoughTheBrokerDoesNotAnswer) {
  ProducerTopic& topic = Start();
  ASSERT_EQ(Produce(topic).Report().outcome, Outcome::kWritten) << "it has its producer id";
  SetRoundTrip(kLong);
  TrackRequests();
  for (int i = 0; i < 50; ++i) Produce(topic);
  ASSERT_TRUE(listener_.WaitUntil([this] { return RequestsSeen(kProduceRequest) > 0; }));
  for (int i = 0; i < 50; ++i) Produce(topic);

  producer_.reset();

  for (const auto& sent : sent_) EXPECT_EQ(sent->reports(), 1);
}

TEST_F(KafkaProducerTest, ItMayBeDestroyedAsSoonAsEverythingIsReported) {
  for (int i = 0; i < 10; ++i) {
    ProducerTopic& topic = Start();
    for (int j = 0; j < 5; ++j) Produce(topic);
    ASSERT_TRUE(producer_->Flush(Clock::Real().Now() + kPatience));
    producer_.reset();
  }
  for (const auto& sent : sent_) EXPECT_EQ(sent->Report().outcome, Outcome::kWritten);
}

// server/docs/adr/0081
TEST_F(KafkaProducerTest, WhatIsWrittenIsReportedOnTheThreadThatHeardOfItAndTheRestOnAnother) {
  ProducerTopic& topic = Start();
  Sent& written = Produce(topic);
  ASSERT_EQ(written.Report().outcome, Outcome::kWritten);
  Sent& unknown = ProduceUnanswered(topic);

  producer_->Purge();

  ASSERT_EQ(unknown.Report().outcome, Outcome::kUnknown);
  EXPECT_NE(written.reported_on(), unknown.reported_on());
}

// The first of two requests fails in a way that leaves open whether it is written, the second one
// succeeds: then the first one is written, too, says librdkafka, in the middle of its work.
TEST_F(KafkaProducerTest, ARecordThatALaterOneConfirmsMayProduceAnotherInItsReport) {
  ProducerTopic& topic = Start();
  Produce(topic).Report();
  Sent third("c");
  auto record = std::make_unique<Sent>("a");
  record->before_report = [&] { EXPECT_TRUE(producer_->Produce(topic, third).ok()); };
  SetRoundTrip(kLong);
  TrackRequests();
  FailRequests(kProduceRequest, {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND});
  Sent& first = Produce(topic, std::move(record));
  ASSERT_TRUE(listener_.WaitUntil([this] { return RequestsSeen(kProduceRequest) == 1; }));
  Sent& second = Produce(topic, "b");
  ASSERT_TRUE(listener_.WaitUntil([this] { return RequestsSeen(kProduceRequest) == 2; }));

  SetRoundTrip(std::chrono::milliseconds(0));

  EXPECT_EQ(first.Report().outcome, Outcome::kWritten);
  EXPECT_EQ(first.Report().offset, -1);
  EXPECT_EQ(second.Report().outcome, Outcome::kWritten);
  EXPECT_EQ(third.Report().outcome, Outcome::kWritten);
  producer_.reset();  // before `third`
}

TEST_F(KafkaProducerTest, ItMayBeDestroyedWhileItsBrokerGoesDown) {
  for (int i = 0; i < 10; ++i) {
    Start();
    SetBrokerDown();
    producer_.reset();
    SetBrokerUp();
  }
}

TEST_F(KafkaProducerTest, AfterAFatalErrorTheQueuedIsNotWrittenAndANewClientTakesOver) {
  options_.linger = kLong;
  ProducerTopic& topic = Start();
  Sent& queued = Produce(topic);

  producer_->FailFatallyForTest();

  EXPECT_EQ(queued.Report().outcome, Outcome::kNotWritten);
  ASSERT_TRUE(listener_.WaitUntil([this] { return producer_->replaced() == 1; }));
  ASSERT_TRUE(WaitFor(topic, TopicReadiness::kReady));
  EXPECT_TRUE(producer_->condition().reachable);
}

TEST_F(KafkaProducerTest, AfterAFatalErrorWhatABrokerWasGivenIsUnknownUnlessItAnswered) {
  ProducerTopic& topic = Start();
  ASSERT_EQ(Produce(topic).Report().outcome, Outcome::kWritten);
  Sent& given = ProduceUnanswered(topic);

  producer_->FailFatallyForTest();

  EXPECT_EQ(given.Report().outcome, Outcome::kUnknown);
  SetRoundTrip(std::chrono::milliseconds(0));
  ASSERT_TRUE(listener_.WaitUntil([this] { return producer_->replaced() == 1; }));
  ASSERT_TRUE(WaitFor(topic, TopicReadiness::kReady));
  EXPECT_EQ(Produce(topic).Report().outcome, Outcome::kWritten);
}

TEST_F(KafkaProducerTest, FatalErrorsMayComeAgainAndAgain) {
  ProducerTopic& topic = Start();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    producer_->FailFatallyForTest();
    ASSERT_TRUE(listener_.WaitUntil([&] { return producer_->replaced() == i; }));
    ASSERT_TRUE(WaitFor(topic, TopicReadiness::kReady));
    EXPECT_EQ(Produce(topic).Report().outcome, Outcome::kWritten);
  }
}

TEST_F(KafkaProducerTest, ATopicThatIsAskedForWhileTheClientIsReplacedIsReadyAfterwards) {
  Start();
  broker_->CreateTopic("late", 1).IgnoreError();

  producer_->FailFatallyForTest();
  ProducerTopic& late = producer_->Topic("late");

  ASSERT_TRUE(listener_.WaitUntil([this] { return producer_->replaced() == 1; }));
  ASSERT_TRUE(WaitFor(late, TopicReadiness::kReady));
  EXPECT_EQ(Produce(late).Report().outcome, Outcome::kWritten);
}

TEST_F(KafkaProducerTest, ATopicThatIsToBeMadeWhileTheClientIsReplacedIsAnswered) {
  Start();
  ProducerTopic& late = producer_->Topic("late");
  const auto answered = std::make_shared<std::atomic<int>>(0);
  int asked = 0;

  producer_->FailFatallyForTest();
  ASSERT_TRUE(listener_.WaitUntil([&] {
    ++asked;
    producer_->CreateTopic(late, "orders", [answered](const absl::Status&) { ++*answered; });
    return producer_->replaced() == 1;
  }));

  EXPECT_TRUE(listener_.WaitUntil([&] { return *answered == asked; }));
}

// A certificate of nobody, for a file that librdkafka reads when a client is made.
constexpr char kCertificate[] = R"(-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUazmUU87KBAU9egv4LWAi+e74OlowCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjUyMjE1NDRaGA8yMTI2MTEwMTIyMTU0
NFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDjn
7hAzvenG1XktSk8YlAtQmv3Zg/MXBQjNIlzUKwSz2zbHirP8UPjuxI44FaosdpeA
NRZ9nHmOgJiaTvPV/TOjUzBRMB0GA1UdDgQWBBQcElOT5He0AW1BahxDAs1z8Kj2
UTAfBgNVHSMEGDAWgBQcElOT5He0AW1BahxDAs1z8Kj2UTAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIEltBaClsYku0MQXzh134S+LbGKjy7giDAZR
Tbz/SD7qAiA7O3JbzcLAUZg9Q1nM/CNfV/yQKkUwgLGyQmeHb8NJCQ==
-----END CERTIFICATE-----
)";

TEST_F(KafkaProducerTest, WhenNoNewClientCanBeMadeItIsTriedAgain) {
  const std::string path = ::testing::TempDir() + "/sidebus-ca.pem";
  std::ofstream(path) << kCertificate;
  options_.properties = {{"security.protocol", "ssl"}, {"ssl.ca.location", path}};
  MakeProducer();
  ProducerTopic& topic = producer_->Topic("orders");
  const std::uint64_t errors = LogLines(LogLevel::kError);

  std::filesystem::remove(path);
  producer_->FailFatallyForTest();
  // One line says that it failed, one that it cannot be replaced.
  ASSERT_TRUE(listener_.WaitUntil([&] { return LogLines(LogLevel::kError) >= errors + 2; }));
  Sent refused("a");
  EXPECT_EQ(ReasonOf(producer_->Produce(topic, refused)), Reason::kBrokerDown);
  EXPECT_EQ(topic.readiness(), TopicReadiness::kWaiting);
  std::ofstream(path) << kCertificate;

  EXPECT_TRUE(listener_.WaitUntil([this] { return producer_->replaced() == 1; }));
  EXPECT_EQ(refused.reports(), 0);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace sidebus
