#pragma once

#include <memory>

#include "tests/server/subscribe/subscribe_fixture.h"

namespace sidebus {

inline constexpr auto kReject = Nack::Action::kReject;
inline constexpr auto kSkip = Nack::Action::kSkip;

// What is done to a delivery, and what becomes of it.
class SettlingTest : public SubscribeTest {
 protected:
  // A stream that holds "a" of key k, delivery 1; "b" waits behind it.
  std::unique_ptr<TestStream> HoldA(SubscribeStart start = StartOf("g", {"order"})) {
    Order("a", "k");
    Order("b", "k");
    auto stream = Open(std::move(start));
    EXPECT_THAT(stream->TakeData(), testing::ElementsAre("a"));
    return stream;
  }

  static SubscribeStart OneAttempt() {
    SubscribeStart start = StartOf("g", {"order"});
    start.retry.max_attempts = 1;
    return start;
  }

  void ExpectSettled(TestStream& stream) {
    Settle();
    EXPECT_THAT(stream.TakeData(), testing::ElementsAre("b"));
    EXPECT_EQ(Committed(), 1);
  }

  void ExpectHalted(TestStream& stream, std::int64_t offset = 0) {
    Advance(std::chrono::minutes(1));
    EXPECT_THAT(stream.TakeData(), testing::IsEmpty());
    EXPECT_EQ(Committed(), offset);
    live_->UpdateMetrics();
    EXPECT_THAT(registry_.Serialize(), testing::HasSubstr("sidebus_held_back_keys{group=\"g\"} 1"));
  }

  void Revoke(bool lost = false) {
    broker_.Revoke("g", lost);
    Settle();
  }
};

}  // namespace sidebus
