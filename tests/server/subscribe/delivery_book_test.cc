// What cannot be brought about from a stream: events in an order that needs several threads.

#include "server/subscribe/delivery_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/metrics/subscribe_metrics.h"

namespace sidebus {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class NoSink final : public StreamSink {
 public:
  void OnOutgoing() override {}
};

class DeliveryBookTest : public testing::Test {
 protected:
  std::shared_ptr<StreamState> StreamOf(const std::string& type) {
    EffectiveStart start;
    start.group = "g";
    start.window = {10, 1 << 20};
    start.topics = {TopicInterest{"orders", "t-orders", false, {type}}};
    return std::make_shared<StreamState>(start, "s", sink_);
  }

  static DecodedRecord RecordOf(std::int64_t offset, const std::string& type) {
    Event event;
    event.type = type;
    DecodedRecord record;
    record.tag = {kAssignment, offset};
    record.offset = offset;
    record.event = std::make_shared<const Event>(event);
    return record;
  }

  void Add(std::int64_t offset, const std::string& type) {
    std::vector<DecodedRecord> records;
    records.push_back(RecordOf(offset, type));
    book_.Add(*book_.Find(kAssignment), std::move(records), now_);
  }

  static constexpr AssignmentId kAssignment{1};
  NoSink sink_;
  Metrics registry_;
  SubscribeMetrics metrics_{registry_};
  MemoryBudget budget_{1 << 20};
  SteadyTime now_ = SteadyTime() + std::chrono::hours(1);
  DeliveryBook book_{
      {.group = "g", .linger = std::chrono::seconds(10)},
      *Router::Make({{"order", {{"orders", "", true}}}, {"invoice", {{"orders", "", true}}}}, "t"),
      metrics_,
      budget_};
};

TEST_F(DeliveryBookTest, WhatNobodyNamedAndCameWhileThereWasNoStreamIsSettledWhenOneAttaches) {
  book_.Assign(kAssignment, "t-orders", 0);
  Add(0, "invoice");
  Add(1, "order");
  EXPECT_THAT(book_.TakeDecisions().settled, IsEmpty()) << "nobody said what is not wanted";

  const auto stream = StreamOf("order");
  book_.Attach(*stream, now_);
  book_.Dispatch();

  const DeliveryBook::Decisions decisions = book_.TakeDecisions();
  ASSERT_THAT(decisions.settled, SizeIs(1));
  EXPECT_EQ(decisions.settled[0].offset, 0);
  EXPECT_EQ(stream->held, 1u);
  book_.Detach(*stream, false, now_);
}

TEST_F(DeliveryBookTest, WhatAStreamNamedLatelyStillWaitsWhenAnotherAttaches) {
  book_.Assign(kAssignment, "t-orders", 0);
  const auto gone = StreamOf("invoice");
  book_.Attach(*gone, now_);
  book_.Detach(*gone, true, now_);
  Add(0, "invoice");

  const auto stream = StreamOf("order");
  book_.Attach(*stream, now_ + std::chrono::seconds(5));

  EXPECT_THAT(book_.TakeDecisions().settled, IsEmpty());
  book_.RunDue(now_ + std::chrono::seconds(10));
  EXPECT_THAT(book_.TakeDecisions().settled, SizeIs(1));
  book_.Detach(*stream, false, now_);
}

}  // namespace
}  // namespace sidebus
