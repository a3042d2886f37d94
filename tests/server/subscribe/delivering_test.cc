#include "tests/server/subscribe/subscribe_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using testing::SizeIs;
using testing::UnorderedElementsAre;

using DeliveringTest = SubscribeTest;

TEST_F(DeliveringTest, StartedComesFirstAndSaysWhatIsInForce) {
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{5'000, 0};
  start.lease = milliseconds(1);

  const auto stream = Open(start);

  ASSERT_TRUE(stream->started.has_value());
  EXPECT_EQ(stream->started->window, options_.max_window);
  EXPECT_EQ(stream->started->lease, options_.min_lease);
  EXPECT_EQ(stream->started->ordering, Ordering::kByKey);
  EXPECT_THAT(stream->started->topics, ElementsAre("orders"));
  EXPECT_FALSE(stream->started->stream_id.empty());
}

TEST_F(DeliveringTest, AnEventIsDeliveredWithItsPositionAndCommittedOnceAcked) {
  Order("a", "k");

  const auto stream = OpenOrders();

  ASSERT_THAT(stream->all, SizeIs(1));
  const Delivery& delivery = stream->all[0];
  EXPECT_EQ(delivery.id, 1u);
  EXPECT_EQ(delivery.attempt, 1u);
  EXPECT_EQ(delivery.interruptions, 0u);
  EXPECT_EQ(*delivery.topic, "orders");
  EXPECT_EQ(delivery.partition, 0);
  EXPECT_EQ(delivery.offset, 0);
  EXPECT_EQ(delivery.event->type, "order");
  EXPECT_EQ(delivery.event->key, "k");
  EXPECT_EQ(Committed(), 0);

  stream->Ack(1);

  EXPECT_EQ(Committed(), 1);
  EXPECT_THAT(stream->failures, IsEmpty());
}

TEST_F(DeliveringTest, EventsOfOneKeyComeOneAtATimeAndOtherKeysBesides) {
  Order("a1", "a");
  Order("a2", "a");
  Order("b1", "b");
  Order("none1");
  Order("none2");

  const auto stream = OpenOrders();

  EXPECT_THAT(stream->TakeData(), ElementsAre("a1", "b1", "none1", "none2"));
  stream->Ack(1);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("a2"));
}

TEST_F(DeliveringTest, ByPartitionEventsComeOneAtATime) {
  Order("1", "a");
  Order("2", "b");
  SubscribeStart start = StartOf("g", {"order"});
  start.ordering = Ordering::kByPartition;

  const auto stream = Open(start);

  EXPECT_THAT(stream->TakeData(), ElementsAre("1"));
  stream->Ack(1);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("2"));
}

TEST_F(DeliveringTest, UnorderedEventsOfOneKeyComeTogether) {
  Order("1", "a");
  Order("2", "a");
  SubscribeStart start = StartOf("g", {"order"});
  start.ordering = Ordering::kUnordered;

  const auto stream = Open(start);

  EXPECT_THAT(stream->TakeData(), ElementsAre("1", "2"));
}

TEST_F(DeliveringTest, TheFloorNeverPassesAnUnsettledEvent) {
  for (const char* data : {"0", "1", "2", "3"}) Order(data);
  const auto stream = OpenOrders();

  stream->Ack(std::vector<std::uint64_t>{2, 3, 4});
  EXPECT_EQ(Committed(), 0);

  stream->Ack(1);
  EXPECT_EQ(Committed(), 4);
}

TEST_F(DeliveringTest, AWindowBoundsWhatIsHeld) {
  for (int i = 0; i < 10; ++i) Order(std::to_string(i));
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{3, 0};

  const auto stream = Open(start);
  EXPECT_THAT(stream->TakeData(), ElementsAre("0", "1", "2"));

  stream->Ack(2);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("3"));
}

TEST_F(DeliveringTest, AWindowInBytesBoundsWhatIsHeldButALargeEventComesAlone) {
  Order(std::string(400, 'a'));
  Order(std::string(400, 'b'));
  Order(std::string(5000, 'c'));
  Order("d");
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{0, 1500};

  const auto stream = Open(start);
  EXPECT_THAT(stream->batch, SizeIs(2));

  stream->Ack(1);
  Settle();
  EXPECT_THAT(stream->batch, SizeIs(2)) << "the large one waits, and nothing passes it";
  stream->Ack(2);
  Settle();
  EXPECT_THAT(stream->batch, SizeIs(3));
  stream->Ack(3);
  Settle();
  EXPECT_EQ(stream->all.back().event->data, "d");
}

TEST_F(DeliveringTest, AnEmptyWindowPausesAndANewOneResumes) {
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{};
  const auto stream = Open(start);
  Order("a");
  Settle();
  EXPECT_THAT(stream->all, IsEmpty());

  stream->Resize({10, 1000});
  Settle();

  EXPECT_THAT(stream->TakeData(), ElementsAre("a"));
}

TEST_F(DeliveringTest, AReaderThatNeverReadsCostsItsWindow) {
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{10, 0};
  const auto stream = Open(start);
  stream->reads = false;

  for (int i = 0; i < 1000; ++i) Order(std::to_string(i));
  Settle();

  EXPECT_EQ(live_->held(), 10u);
  EXPECT_EQ(stream->told, 1);
  EXPECT_LT(budget_.used(), kMemory / 2);
}

TEST_F(DeliveringTest, TheSinkIsToldOnceUntilTakeCameBackEmpty) {
  const auto stream = OpenOrders();
  stream->reads = false;
  for (const char* data : {"a", "b", "c"}) {
    Order(data);
    Settle();
  }
  EXPECT_EQ(stream->told, 1);

  stream->Pump();
  Order("d");
  Settle();

  EXPECT_EQ(stream->told, 2);
}

TEST_F(DeliveringTest, TheSinkIsNotToldFromInsideAMethodOfTheSubscriber) {
  Order("a", "k");
  Order("b", "k");
  const auto stream = OpenOrders();
  const int before = stream->told;

  stream->Ack(1);
  EXPECT_EQ(stream->told, before);

  Settle();
  EXPECT_EQ(stream->told, before + 1);
  EXPECT_THAT(stream->TakeData(), ElementsAre("a", "b"));
}

TEST_F(DeliveringTest, TakeObeysItsBounds) {
  for (const char* data : {"a", "b", "c"}) Order(data);
  TestStream stream;
  stream.reads = false;
  auto opened = live_->Open(StartOf("g", {"order"}), stream);
  ASSERT_TRUE(opened.ok());
  Settle();

  EXPECT_THAT((*opened)->Take(2, 1 << 20).deliveries, SizeIs(2));
  EXPECT_THAT((*opened)->Take(2, 1 << 20).deliveries, SizeIs(1));
  EXPECT_TRUE((*opened)->Take(2, 1 << 20).empty());
}

TEST_F(DeliveringTest, TakeGivesOneEventAlsoWhenItIsLargerThanItsBytes) {
  Order("a");
  Order("b");
  TestStream stream;
  stream.reads = false;
  auto opened = live_->Open(StartOf("g", {"order"}), stream);
  ASSERT_TRUE(opened.ok());
  Settle();

  EXPECT_THAT((*opened)->Take(2, 1).deliveries, SizeIs(1));
}

TEST_F(DeliveringTest, AStuckKeyHoldsBackItsOwnKeyOnly) {
  Order("stuck", "stuck");
  const auto stream = OpenOrders();
  for (int i = 0; i < 500; ++i) {
    Order(std::to_string(i), "key" + std::to_string(i % 7));
    Settle();
    stream->Ack(static_cast<std::uint64_t>(i) + 2);
    Settle();
  }
  EXPECT_THAT(stream->all, SizeIs(501));
}

TEST_F(DeliveringTest, APartitionFullOfFollowersOfABlockedKeyStopsAlone) {
  const auto stream = Open(StartOf("g", {"order", "payment"}));
  for (int i = 0; i < 2000; ++i) Order(std::to_string(i), "blocked");
  Settle();
  const std::uint64_t used = budget_.used();
  for (int i = 0; i < 2000; ++i) Order("more");
  Settle();
  EXPECT_EQ(budget_.used(), used) << "nothing more is buffered";
  stream->TakeBatch();

  Publish("t-payments", "payment", "p");
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("p"));

  live_->UpdateMetrics();
  EXPECT_THAT(registry_.Serialize(),
              testing::HasSubstr(R"(sidebus_paused_partitions{group="g",reason="lane_share"} 1)"));
}

TEST_F(DeliveringTest, ManyFollowersOfABlockedKeyLetOtherKeysPass) {
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{10, 0};
  const auto stream = Open(start);
  for (int i = 0; i < 50; ++i) Order("blocked", "blocked");
  for (int i = 0; i < 300; ++i) Order("passes");
  Settle();

  for (std::size_t seen = 1; seen < stream->all.size();) {
    std::vector<std::uint64_t> ids;
    for (; seen < stream->all.size(); ++seen) ids.push_back(stream->all[seen].id);
    stream->Ack(std::move(ids));
    Settle();
  }

  EXPECT_THAT(stream->all, SizeIs(301));
}

TEST_F(DeliveringTest, EveryRecordIsDeliveredThoughThePartitionStoppedInBetween) {
  for (int i = 0; i < 1000; ++i) Order(std::to_string(i), "same");
  const auto stream = OpenOrders();

  for (std::size_t i = 0; i < 1000; ++i) {
    ASSERT_THAT(stream->all, SizeIs(i + 1));
    ASSERT_EQ(stream->all[i].event->data, std::to_string(i));
    stream->Ack(stream->all[i].id);
    Settle();
  }

  EXPECT_EQ(Committed(), 1000);
}

TEST_F(DeliveringTest, WithoutMemoryOneEventPerPartitionStillComes) {
  Order("a");
  Order("b");
  budget_.Take(kMemory - (2 << 20));
  const auto stream = OpenOrders();
  stream->TakeBatch();
  stream->Ack(std::vector<std::uint64_t>{1, 2});
  budget_.Take(2 << 20);
  for (const char* data : {"c", "d"}) Order(data);
  Settle();
  EXPECT_THAT(stream->TakeData(), ElementsAre("c"));

  budget_.Return(kMemory);
  Advance(milliseconds(100));

  EXPECT_THAT(stream->TakeData(), ElementsAre("d"));
}

TEST_F(DeliveringTest, AllMemoryIsGivenBack) {
  for (int i = 0; i < 100; ++i) Order(std::to_string(i), "k");
  auto stream = OpenOrders();
  EXPECT_GT(budget_.used(), 0u);

  stream->subscriber->HalfClosed();
  Settle();
  EXPECT_THAT(stream->end, Optional(absl::OkStatus()));
  stream.reset();

  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(DeliveringTest, HeartbeatsComeAlsoWhenIdleAndSayWhatIsWaiting) {
  Order("a");
  Order("b");
  const auto stream = OpenOrders();
  stream->Ack(2);

  Advance(options_.heartbeat);
  Advance(options_.heartbeat);

  ASSERT_THAT(stream->heartbeats, SizeIs(2));
  EXPECT_EQ(stream->heartbeats[1].lag_events, 2u);
  EXPECT_EQ(stream->heartbeats[1].oldest_unsettled, 2 * options_.heartbeat);
  EXPECT_EQ(stream->heartbeats[1].now, time_.WallNow());
}

TEST_F(DeliveringTest, DeliveriesAreCounted) {
  Order("a");
  const auto stream = OpenOrders();
  stream->Refuse(1);
  Advance(seconds(1));
  stream->Ack(2);
  Settle();

  live_->UpdateMetrics();
  const std::string text = registry_.Serialize();

  const auto has = [&](const std::string& line) {
    EXPECT_THAT(text, testing::HasSubstr(line + "\n"));
  };
  has(R"(sidebus_deliveries_total{event_type="order",group="g",redelivery="false"} 1)");
  has(R"(sidebus_deliveries_total{event_type="order",group="g",redelivery="true"} 1)");
  has(R"(sidebus_settled_events_total{event_type="order",group="g",result="ack"} 1)");
  has(R"(sidebus_returned_deliveries_total{event_type="order",group="g",why="nack"} 1)");
  has(R"(sidebus_subscribe_streams{group="g"} 1)");
  has(R"(sidebus_subscriptions{group="g"} 1)");
  has(R"(sidebus_unsettled_events{group="g"} 0)");
  has(R"(sidebus_assigned_partitions{group="g",topic="orders"} 1)");
}

TEST_F(DeliveringTest, WhatIsUnsettledIsMeasuredInBytes) {
  const std::string series = R"(sidebus_unsettled_bytes{group="g"})";
  Order("a");
  Order("b");
  std::uint64_t bytes = 0;
  for (const Record& record : broker_.Read("t-orders", 0)) bytes += SizeOf(RawRecordOf(record));
  const auto stream = OpenOrders();
  EXPECT_EQ(MetricValue(series), static_cast<double>(bytes));

  stream->Ack({1, 2});
  Settle();

  EXPECT_EQ(MetricValue(series), 0);
}

TEST_F(DeliveringTest, SparseAcksThatHardlyFitAreMeasured) {
  constexpr std::uint32_t kCount = 4'000;
  for (std::uint32_t i = 0; i < kCount; ++i) Order("o");
  SubscribeStart start = StartOf("g", {"order"});
  start.window = Window{kCount, 64 << 20};
  options_.max_window = start.window.value();
  Restart();
  const auto stream = Open(start);
  ASSERT_THAT(stream->all, SizeIs(kCount));
  EXPECT_EQ(MetricValue(R"(sidebus_sparse_ack_bytes_ratio{group="g"})"), 0);

  std::vector<std::uint64_t> every_other;
  for (std::uint32_t i = 1; i < kCount; i += 2) every_other.push_back(stream->all[i].id);
  stream->Ack(std::move(every_other));
  Advance(seconds(1));

  EXPECT_GT(MetricValue(R"(sidebus_sparse_ack_bytes_ratio{group="g"})"), 0.75);
  EXPECT_EQ(MetricValue(R"(sidebus_sparse_acks_truncated_total{group="g"})"), 1);
  EXPECT_EQ(MetricValue(R"(sidebus_paused_partitions{group="g",reason="ack_metadata"})"), 1);
}

}  // namespace
}  // namespace sidebus
