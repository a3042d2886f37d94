#include "server/app/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/manual_time.h"

namespace sidebus {
namespace {

using std::chrono::seconds;

// Only its condition is asked for.
class ConditionProducer final : public Producer {
 public:
  ProducerTopic& Topic(const std::string&) override { std::abort(); }
  absl::Status Produce(ProducerTopic&, PendingRecord&) override { std::abort(); }
  void CreateTopic(ProducerTopic&, const std::string&,
                   absl::AnyInvocable<void(absl::Status)>) override {
    std::abort();
  }
  BrokerCondition condition() const override { return now; }
  std::size_t in_flight() const override { return 0; }
  bool Flush(SteadyTime) override { return true; }
  void Purge() override {}

  BrokerCondition now;
};

class HealthTest : public ::testing::Test {
 protected:
  std::shared_ptr<Health> Make(Health::Options options) {
    auto health = Health::Make(options, time_, time_);
    health->SetProducer(&producer_);
    return health;
  }
  void SetReachable(bool reachable) { producer_.now = {reachable, time_.Now()}; }

  ManualTime time_;
  ConditionProducer producer_;
};

TEST_F(HealthTest, IsLiveWhileTheTimersBeatWhateverTheBrokerDoes) {
  const auto health = Make({KafkaReadiness::kAll, true});

  time_.Advance(seconds(600));

  EXPECT_TRUE(health->Live().ok);
}

TEST_F(HealthTest, ANoteIsSaidAndNoReasonNotToBeReady) {
  const auto health = Make({});
  health->SetListening();
  EXPECT_EQ(health->Ready().checks.size(), 2u);

  health->AddNote("dead-letters", [] { return std::string("3 topics missing"); });
  health->AddNote("schemas", [] { return std::string(); });

  const ProbeResult ready = health->Ready();
  EXPECT_TRUE(ready.ok);
  EXPECT_EQ(ready.checks.back().name, "dead-letters");
  EXPECT_EQ(ready.checks.back().detail, "3 topics missing");
  health->DropNotes();
  EXPECT_EQ(health->Ready().checks.size(), 2u);
}

TEST_F(HealthTest, IsNotLiveWhenTheTimersStand) {
  ManualTime other;
  const auto health = Health::Make({}, time_, other);  // its timers never run

  time_.Advance(seconds(11));

  EXPECT_FALSE(health->Live().ok);
}

TEST_F(HealthTest, IsStartedWhenItListens) {
  const auto health = Make({});
  EXPECT_FALSE(health->Started().ok);

  health->SetListening();

  EXPECT_TRUE(health->Started().ok);
  EXPECT_TRUE(health->Ready().ok);
}

TEST_F(HealthTest, ARequiredBrokerMustBeReachedOnce) {
  const auto health = Make({KafkaReadiness::kIgnore, true});
  health->SetListening();
  EXPECT_FALSE(health->Started().ok);

  SetReachable(true);
  EXPECT_TRUE(health->Started().ok);

  SetReachable(false);
  EXPECT_TRUE(health->Started().ok);
}

TEST_F(HealthTest, WithThePolicyAnyAnOutageOfAMinuteIsForgiven) {
  const auto health = Make({KafkaReadiness::kAny, false});
  health->SetListening();
  EXPECT_FALSE(health->Ready().ok);
  SetReachable(true);
  EXPECT_TRUE(health->Ready().ok);

  SetReachable(false);

  time_.Advance(seconds(60));
  EXPECT_TRUE(health->Ready().ok);
  time_.Advance(seconds(1));
  EXPECT_FALSE(health->Ready().ok);
}

TEST_F(HealthTest, AnOutageThatNobodyAskedAboutIsStillAnOutageAfterABrokerWasSeen) {
  const auto health = Make({KafkaReadiness::kAny, false});
  health->SetListening();
  SetReachable(true);
  time_.Advance(seconds(2));  // a beat sees the broker, no probe does

  SetReachable(false);

  EXPECT_TRUE(health->Ready().ok);
}

}  // namespace
}  // namespace sidebus
