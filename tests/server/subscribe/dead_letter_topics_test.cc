// How dead-letter topics are looked for and made, with a producer that a test plays.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "server/base/memory_budget.h"
#include "server/routing/router.h"
#include "server/subscribe/dead_letters.h"
#include "tests/support/fake_producer.h"
#include "tests/support/manual_time.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

class DeadLetterTopicsTest : public testing::Test {
 protected:
  inline static const std::string kDead = "t-orders.g.dead";

  void Use(bool create) {
    letters_ = std::make_unique<DeadLetters>(DeadLetterOptions{.create = create},
                                             *Router::Make(ProducerConfig(), "t"), producer_,
                                             budget_, time_, time_);
  }

  absl::Status Write() {
    DeadLetter letter;
    letter.topic = "orders";
    letter.note.group = "g";
    return letters_->Write(letter, 0, [](const absl::Status&) {});
  }

  ManualTime time_;
  FakeProducer producer_;
  MemoryBudget budget_{1 << 20};
  std::unique_ptr<DeadLetters> letters_;
};

TEST_F(DeadLetterTopicsTest, OneThatIsFoundMissingAfterTheLetterWasRefusedIsMadeAllTheSame) {
  Use(true);
  producer_.SetReadiness(kDead, TopicReadiness::kWaiting);
  EXPECT_EQ(ReasonOf(Write()), Reason::kBrokerDown);
  time_.Advance(milliseconds(500));
  EXPECT_THAT(producer_.topics_to_make(), IsEmpty());

  producer_.SetReadiness(kDead, TopicReadiness::kMissing);
  time_.Advance(milliseconds(500));

  EXPECT_THAT(producer_.topics_to_make(), ElementsAre(Pair(kDead, "t-orders")));
}

TEST_F(DeadLetterTopicsTest, OneThatIsFoundThereIsLeftAlone) {
  Use(true);
  producer_.SetReadiness(kDead, TopicReadiness::kWaiting);
  EXPECT_FALSE(Write().ok());

  producer_.SetReadiness(kDead, TopicReadiness::kReady);
  time_.Advance(milliseconds(500));

  EXPECT_THAT(producer_.topics_to_make(), IsEmpty());
  EXPECT_TRUE(Write().ok());
  producer_.WriteAll();
}

TEST_F(DeadLetterTopicsTest, HoweverManyLettersWaitItIsLookedForOnceAtATime) {
  Use(true);
  producer_.SetReadiness(kDead, TopicReadiness::kWaiting);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(Write().ok());

  EXPECT_EQ(time_.waiting(), 1u);
}

TEST_F(DeadLetterTopicsTest, OneThatIsNotToBeMadeIsCountedUntilItIsThere) {
  Use(false);
  producer_.SetReadiness(kDead, TopicReadiness::kMissing);
  letters_->Prepare("orders", "g");
  time_.Advance(milliseconds(500));
  EXPECT_EQ(letters_->missing_topics(), 1u);
  EXPECT_EQ(ReasonOf(Write()), Reason::kTopicMissing);

  producer_.SetReadiness(kDead, TopicReadiness::kReady);
  EXPECT_TRUE(Write().ok());
  producer_.WriteAll();

  EXPECT_EQ(letters_->missing_topics(), 0u);
  EXPECT_THAT(producer_.topics_to_make(), IsEmpty());
}

}  // namespace
}  // namespace sidebus
