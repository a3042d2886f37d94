// One topic, read once.

#include "server/operate/topic_reader.h"

#include <gmock/gmock.h>

#include "tests/server/operate/operate_fixture.h"

namespace sidebus {
namespace {

using std::chrono::seconds;

class TopicReaderTest : public OperateTest {
 protected:
  std::shared_ptr<TopicReader> Reader(std::map<std::int32_t, std::int64_t> ends,
                                      Duration patience = {}) {
    TopicReader::Options options;
    options.topic = "t-orders";
    options.ends = std::move(ends);
    options.patience = patience;
    return std::make_shared<TopicReader>(std::move(options), time_, time_);
  }

  absl::Status Start(const std::shared_ptr<TopicReader>& reader) {
    return reader->Start(
        broker_, [this](std::int32_t, auto records) { read_ += records.size(); },
        [this](const absl::Status& end) { ends_.push_back(end); });
  }

  std::size_t read_ = 0;
  std::vector<absl::Status> ends_;
};

TEST_F(TopicReaderTest, AnEndThatCameBeforeTheStartCounts) {
  Order("a");
  const auto reader = Reader({{0, 1}});

  reader->Finish(absl::CancelledError());
  EXPECT_TRUE(Start(reader).ok());
  reader->Next(10);
  Advance(seconds(1));

  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_TRUE(absl::IsCancelled(ends_[0]));
  EXPECT_EQ(read_, 0u);
  EXPECT_EQ(reader.use_count(), 1);
}

TEST_F(TopicReaderTest, OneThatWasStoppedBeforeDoesNotStart) {
  const auto reader = Reader({{0, 1}});

  reader->Stop();

  EXPECT_FALSE(Start(reader).ok());
}

TEST_F(TopicReaderTest, WithoutAConsumerNobodyHoldsIt) {
  broker_.RefuseConsumers(MakeError(Reason::kBrokerDenied, "no certificate"));
  const auto reader = Reader({{0, 1}});
  const auto held = std::make_shared<int>();

  const absl::Status started = reader->Start(
      broker_, [held](std::int32_t, auto) {}, [held](const absl::Status&) {});

  EXPECT_EQ(ReasonOf(started), Reason::kBrokerDenied);
  EXPECT_EQ(held.use_count(), 1);
  reader->Finish(absl::OkStatus());
  Advance(seconds(1));
}

TEST_F(TopicReaderTest, APartitionThatIsNotWantedAnyMoreIsNotWaitedFor) {
  Order("a");
  const auto reader = Reader({{0, 1}, {1, 5}});
  ASSERT_TRUE(Start(reader).ok());
  reader->Next(10);
  Advance(seconds(1));
  EXPECT_TRUE(ends_.empty());

  reader->Leave(1);
  reader->Next(10);
  Advance(seconds(1));

  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_TRUE(ends_[0].ok());
  EXPECT_EQ(read_, 1u);
}

TEST_F(TopicReaderTest, WithoutAStepForwardThePatienceEnds) {
  Order("a");
  const auto reader = Reader({{0, 9}}, seconds(10));
  ASSERT_TRUE(Start(reader).ok());

  Advance(seconds(30));
  EXPECT_TRUE(ends_.empty()) << "nothing was wanted";
  reader->Next(10);
  Advance(seconds(1));
  reader->Next(10);
  Advance(seconds(9));
  EXPECT_TRUE(ends_.empty());
  Advance(seconds(2));

  ASSERT_EQ(ends_.size(), 1u);
  EXPECT_EQ(ReasonOf(ends_[0]), Reason::kBrokerDown);
}

}  // namespace
}  // namespace sidebus
