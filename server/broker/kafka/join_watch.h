#pragma once

#include <chrono>

#include "server/base/clock.h"

namespace sidebus {

// Tells a cluster that has no consumer protocol from one that is slow.
//
// Brokers before Kafka 4 have none that librdkafka speaks, and it waits for another coordinator for
// ever, without a word (2.15.1). So a coordinator that answers something else, while it has taken no
// member in for some seconds, is taken for one without it.
//
// Ownership: KafkaConsumer's, from joining until the member is taken in.
// Thread safety: none; the poll thread's.
class JoinWatch {
 public:
  explicit JoinWatch(SteadyTime now) : ask_at_(now + kAskAfter) {}

  // Whether to look now if the member was taken in.
  bool ShouldLook(SteadyTime now) {
    if (now < look_at_) return false;
    look_at_ = now + kLookEvery;
    return true;
  }

  // Whether to ask a coordinator something now, which then counts as asked.
  bool ShouldAsk(SteadyTime now) {
    if (asked_ || now < ask_at_) return false;
    asked_ = true;
    return true;
  }
  void Answered(SteadyTime now) { answered_ = now; }
  void NotAnswered(SteadyTime now) {
    asked_ = false;
    ask_at_ = now + kAskAfter;
  }

  bool HasNoProtocol(SteadyTime now) const {
    return answered_ != SteadyTime{} && now >= answered_ + kPatience;
  }

 private:
  static constexpr Duration kAskAfter = std::chrono::seconds(1);
  static constexpr Duration kPatience = std::chrono::seconds(4);
  static constexpr Duration kLookEvery = std::chrono::milliseconds(100);

  SteadyTime ask_at_;
  SteadyTime look_at_{};
  SteadyTime answered_{};
  bool asked_ = false;
};

}  // namespace sidebus
