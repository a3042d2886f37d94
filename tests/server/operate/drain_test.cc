// Draining deliveries, and letting them flow again.

#include "tests/server/operate/operate_fixture.h"

namespace sidebus {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;

class DrainTest : public OperateTest {
 protected:
  std::shared_ptr<std::optional<std::size_t>> Drain(std::optional<Duration> grace = std::nullopt) {
    auto left = std::make_shared<std::optional<std::size_t>>();
    operator_->Drain(grace, "roll out", [left](std::size_t n) { *left = n; });
    Settle();
    return left;
  }
};

TEST_F(DrainTest, EndsWhenAllIsSettledAndStreamsAreRefusedUntilItIsResumed) {
  Order("a");
  const auto stream = OpenOrders();
  const auto left = Drain();
  EXPECT_FALSE(left->has_value());
  ASSERT_TRUE(stream->draining.has_value());
  EXPECT_EQ(stream->draining->grace, seconds(20)) << "the configured one";
  EXPECT_EQ(stream->draining->reason, "roll out");
  EXPECT_TRUE(live_->draining());

  stream->Ack(1);
  Settle();

  EXPECT_THAT(*left, Optional(0u));
  EXPECT_EQ(ReasonOf(*stream->end), Reason::kDraining);
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 1);
  TestStream refused;
  EXPECT_EQ(ReasonOf(TryOpen(refused, StartOf("g", {"order"}))), Reason::kDraining);

  EXPECT_TRUE(operator_->Resume().ok());
  EXPECT_FALSE(live_->draining());
  Order("b");
  EXPECT_THAT(OpenOrders()->TakeData(), ElementsAre("b"));
}

TEST_F(DrainTest, TellsHowMuchWasLeftWhenTheGraceIsOver) {
  Order("a");
  const auto stream = OpenOrders();
  const auto left = Drain(seconds(3));

  Advance(seconds(3));

  EXPECT_THAT(*left, Optional(1u));
  EXPECT_EQ(broker_.Committed("g", "t-orders", 0), 0);
}

TEST_F(DrainTest, ResumedWhileItLastsTheGroupBeginsAnewBehindTheOldSubscription) {
  Order("a");
  const auto held = OpenOrders();
  const auto left = Drain(seconds(3));

  ASSERT_TRUE(operator_->Resume().ok());
  const auto next = OpenOrders();
  EXPECT_TRUE(next->started.has_value());
  EXPECT_THAT(next->TakeData(), IsEmpty());
  Advance(seconds(3));

  EXPECT_THAT(*left, Optional(1u));
  EXPECT_EQ(ReasonOf(*held->end), Reason::kDraining);
  EXPECT_THAT(next->TakeData(), ElementsAre("a"));
}

TEST_F(DrainTest, TheEndOfTheGatewayShortensADrainAndCannotBeResumed) {
  Order("a");
  const auto stream = OpenOrders();
  const auto drained = Drain(std::chrono::hours(1));
  std::optional<std::size_t> stopped;

  live_->Drain(seconds(2), "stopping", DrainFor::kGood, [&](std::size_t n) { stopped = n; });
  Settle();
  EXPECT_EQ(ReasonOf(operator_->Resume()), Reason::kDraining);
  Advance(seconds(2));

  EXPECT_THAT(stopped, Optional(1u));
  EXPECT_THAT(*drained, Optional(1u));
}

TEST_F(DrainTest, WithNothingOpenItIsDoneAtOnceAndMayBeRepeated) {
  EXPECT_THAT(*Drain(), Optional(0u));
  EXPECT_THAT(*Drain(), Optional(0u));
  EXPECT_TRUE(operator_->Resume().ok());
  EXPECT_TRUE(operator_->Resume().ok());
}

}  // namespace
}  // namespace sidebus
