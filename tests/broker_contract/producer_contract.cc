#include <gmock/gmock.h>

#include <future>

#include "server/base/error.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

using testing::ElementsAreArray;

TEST_P(BrokerContract, ARecordIsReportedOnceWithItsPosition) {
  const std::string topic = NewTopic(1);
  ProducerTopic& handle = producer().Topic(topic);
  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kReady));
  Sent sent(ValueOf("a"));

  ASSERT_TRUE(producer().Produce(handle, sent).ok());

  const DeliveryReport report = sent.Report();
  EXPECT_EQ(report.outcome, DeliveryReport::Outcome::kWritten);
  EXPECT_TRUE(report.error.ok());
  EXPECT_EQ(report.partition, 0);
  EXPECT_EQ(report.offset, 0);
  EXPECT_TRUE(producer().Flush(Clock::Real().Now() + std::chrono::seconds(10)));
  EXPECT_EQ(sent.reports(), 1);
  EXPECT_EQ(producer().in_flight(), 0u);
}

TEST_P(BrokerContract, RecordsOfOneKeyAreInTheOrderOfTheCalls) {
  const std::string topic = NewTopic(2);
  std::vector<std::string> values;
  for (int i = 0; i < 500; ++i) values.push_back(std::to_string(i));

  PublishValues(topic, values, "key");

  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(values.size()));
  EXPECT_THAT(receiver.values(), ElementsAreArray(values));
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, ATopicHandleIsTheSameForTheSameName) {
  const std::string topic = NewTopic();

  EXPECT_EQ(&producer().Topic(topic), &producer().Topic(topic));
  EXPECT_EQ(producer().Topic(topic).name(), topic);
}

TEST_P(BrokerContract, ATopicThatDoesNotExistIsMissingAndReadyOnceItWasMade) {
  const std::string topic = UnusedName("appears");
  ProducerTopic& handle = producer().Topic(topic);
  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kMissing));

  fixture_->CreateTopic(topic, 1);

  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kReady));
  EXPECT_EQ(Publish(topic, ValueOf("a")).outcome, DeliveryReport::Outcome::kWritten);
  EXPECT_TRUE(producer().condition().reachable);
}

// What became of the creation of a topic.
absl::Status Create(Producer& producer, ProducerTopic& topic, const std::string& like) {
  std::promise<absl::Status> created;
  producer.CreateTopic(topic, like,
                       [&](absl::Status status) { created.set_value(std::move(status)); });
  return created.get_future().get();
}

TEST_P(BrokerContract, ATopicIsMadeWithThePartitionsOfAnother) {
  const std::string like = NewTopic(3);
  const std::string topic = UnusedName("made");
  ProducerTopic& handle = producer().Topic(topic);
  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kMissing));

  EXPECT_TRUE(Create(producer(), handle, like).ok());

  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kReady));
  EXPECT_EQ(Publish(topic, ValueOf("a")).outcome, DeliveryReport::Outcome::kWritten);
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(1));
  EXPECT_EQ(consumer->stats().topics.at(topic).partitions, 3u);
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, ATopicThatSomebodyElseMadeIsThere) {
  const std::string topic = NewTopic(1);

  EXPECT_TRUE(Create(producer(), producer().Topic(topic), topic).ok());
}

TEST_P(BrokerContract, ATopicIsNotMadeLikeOneThatDoesNotExist) {
  const absl::Status created =
      Create(producer(), producer().Topic(UnusedName("made")), UnusedName("missing"));

  EXPECT_EQ(ReasonOf(created), Reason::kTopicMissing);
}

// A record that gives the next one to the producer when it is reported.
class Link final : public PendingRecord {
 public:
  Link(Producer& producer, ProducerTopic& topic, int left, std::promise<int>& ended)
      : producer_(producer), topic_(topic), left_(left), ended_(ended) {
    record.value = std::to_string(left);
  }

  void OnReport(const DeliveryReport& report) override {
    const std::unique_ptr<Link> self(this);
    if (left_ > 0 && report.error.ok() && Give(producer_, topic_, left_ - 1, ended_)) return;
    ended_.set_value(left_);
  }

  // False: it was not accepted. The last one, or the first that fails, sets how many were left.
  static bool Give(Producer& producer, ProducerTopic& topic, int left, std::promise<int>& ended) {
    auto link = std::make_unique<Link>(producer, topic, left, ended);
    if (!producer.Produce(topic, *link).ok()) return false;
    (void)link.release();  // until its report
    return true;
  }

 private:
  Producer& producer_;
  ProducerTopic& topic_;
  const int left_;
  std::promise<int>& ended_;
};

TEST_P(BrokerContract, AReportMayProduceTheNextRecord) {
  ProducerTopic& handle = producer().Topic(NewTopic(1));
  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kReady));
  std::promise<int> ended;
  auto left = ended.get_future();

  ASSERT_TRUE(Link::Give(producer(), handle, 50, ended));

  ASSERT_EQ(left.wait_for(kPatience), std::future_status::ready);
  EXPECT_EQ(left.get(), 0);
}

TEST_P(BrokerContract, FlushReturnsAtOnceWhenNothingIsAccepted) {
  EXPECT_TRUE(producer().Flush(Clock::Real().Now()));
}

TEST_P(BrokerContract, FlushWaitsForEveryReport) {
  const std::string topic = NewTopic();
  ProducerTopic& handle = producer().Topic(topic);
  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kReady));
  std::vector<std::unique_ptr<Sent>> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::make_unique<Sent>(ValueOf("a")));
    ASSERT_TRUE(producer().Produce(handle, *sent.back()).ok());
  }

  EXPECT_TRUE(producer().Flush(Clock::Real().Now() + kPatience));

  for (const auto& one : sent) EXPECT_EQ(one->reports(), 1);
}

TEST_P(BrokerContract, PurgeReportsEverythingOnceAndNeverClaimsThatItWasNotWrittenWhenItWas) {
  const std::string topic = NewTopic(1);
  ProducerTopic& handle = producer().Topic(topic);
  ASSERT_TRUE(listener().WaitFor(handle, TopicReadiness::kReady));
  std::vector<std::unique_ptr<Sent>> sent;
  for (int i = 0; i < 2000; ++i) {
    sent.push_back(std::make_unique<Sent>(ValueOf(std::to_string(i))));
    ASSERT_TRUE(producer().Produce(handle, *sent.back()).ok());
  }

  producer().Purge();

  ASSERT_TRUE(producer().Flush(Clock::Real().Now() + kPatience));
  std::vector<std::string> written;
  std::vector<std::string> not_written;
  for (int i = 0; i < 2000; ++i) {
    const std::size_t index = static_cast<std::size_t>(i);
    ASSERT_EQ(sent[index]->reports(), 1);
    const DeliveryReport report = sent[index]->Report();
    EXPECT_EQ(report.error.ok(), report.outcome == DeliveryReport::Outcome::kWritten);
    if (report.outcome == DeliveryReport::Outcome::kWritten) written.push_back(std::to_string(i));
    if (report.outcome == DeliveryReport::Outcome::kNotWritten) {
      not_written.push_back(std::to_string(i));
    }
  }
  // The purge may still be at work, and take the first of these too.
  std::unique_ptr<Sent> last;
  do {
    last = std::make_unique<Sent>(ValueOf("last"));
    ASSERT_TRUE(producer().Produce(handle, *last).ok());
  } while (last->Report().outcome == DeliveryReport::Outcome::kNotWritten);
  ASSERT_EQ(last->Report().outcome, DeliveryReport::Outcome::kWritten);
  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitUntil([](const Receiver& r) { return r.count() > 0; }));
  const auto saw_last = [&] {
    const auto values = receiver.values();
    return !values.empty() && values.back() == "last";
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!saw_last() && std::chrono::steady_clock::now() < deadline) {
    (void)receiver.WaitForRecords(receiver.values().size() + 1);
  }
  const std::vector<std::string> in_log = receiver.values();
  EXPECT_THAT(in_log, testing::IsSupersetOf(written));
  for (const std::string& value : not_written) {
    EXPECT_THAT(in_log, testing::Not(testing::Contains(value)));
  }
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

TEST_P(BrokerContract, TheDestructorReportsWhatIsLeft) {
  const std::string topic = NewTopic();
  Listener listener;
  auto made = broker().MakeProducer(listener);
  ASSERT_TRUE(made.ok());
  ProducerTopic& handle = (*made)->Topic(topic);
  ASSERT_TRUE(listener.WaitFor(handle, TopicReadiness::kReady));
  std::vector<std::unique_ptr<Sent>> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::make_unique<Sent>(ValueOf("a")));
    ASSERT_TRUE((*made)->Produce(handle, *sent.back()).ok());
  }

  made->reset();

  for (const auto& one : sent) EXPECT_EQ(one->reports(), 1);
}

TEST_P(BrokerContract, BytesComeBackExactly) {
  const std::string topic = NewTopic(1);
  const std::string binary("\0\xff\x80 z", 5);
  const std::vector<Record> records = {
      {std::nullopt, std::nullopt, {}},
      {"", "", {}},
      {binary,
       binary,
       {{"h", binary}, {"h", "twice"}, {"null", std::nullopt}, {"empty", ""}, {binary, ""}}},
      {"key", std::nullopt, {{"only", "header"}}},
      {std::nullopt, std::string(200'000, 'x'), {}},
  };

  for (const Record& record : records) Publish(topic, record);

  Receiver receiver;
  auto consumer = Consume(UnusedName("group"), {topic}, receiver);
  ASSERT_TRUE(receiver.WaitForRecords(records.size()));
  const auto received = receiver.received();
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(RecordOf(received[i].record.record), records[i]) << "record " << i;
    EXPECT_EQ(received[i].record.offset, static_cast<std::int64_t>(i));
    EXPECT_GT(received[i].record.timestamp, SystemTime{});
  }
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
}

}  // namespace
}  // namespace sidebus::contract
