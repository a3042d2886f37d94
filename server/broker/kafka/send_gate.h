#pragma once

#include <cstddef>
#include <vector>

#include "server/base/mutex.h"
#include "server/broker/producer.h"

namespace sidebus {

class KafkaTopic;

// Decides when librdkafka is given a record. It sends what it is given at once (no linger, ADR 21),
// so that a dozen single records on their way would make as many requests. While some are with the
// broker, the records behind them gather here, and go together:
//
//   few with the broker   ->  at once
//   many with the broker  ->  at once: librdkafka is busy, and makes batches by itself
//   between               ->  it waits, until: a report comes in  |  there are many, with what
//                             waits  |  the poll thread looks (1 ms)
//
// So a lone record waits for nothing, and batches come from concurrency: the busier, the larger.
//
// Invariant: records leave in the order of Add(); at most one thread is sending (TakeAll() to
// Sent()), and what is added meanwhile waits.
// Ownership: refers to topics and records. Thread safety: all methods may be called from any
// thread.
class SendGate {
 public:
  static constexpr std::size_t kFew = 4;    // less than this
  static constexpr std::size_t kMany = 64;  // or more

  struct Item {
    KafkaTopic* topic = nullptr;
    PendingRecord* record = nullptr;
  };

  enum class Then {
    kSend,     // this one, now; it counts as being with the broker
    kSendAll,  // TakeAll() now
    kWait,     // somebody else will
    kWake,     // as kWait, and the poll thread has to be told to look soon
  };
  Then Add(const Item& item);

  // Everything that waits; the caller sends it and says so by Sent(). Empty: nothing waits, or
  // another thread is sending.
  std::vector<Item> TakeAll();

  // The sending that TakeAll() began, or Add() asked for, is over: `refused` were not taken after
  // all. True: what has gathered meanwhile is to be sent at once.
  bool Sent(std::size_t refused);

  // So many are not with the broker any more.
  void Reported(std::size_t count);

  // What waits, to be given up. Not what a thread is sending.
  std::vector<Item> GiveUp();

  // For the poll thread, before it waits: whether it has to look again soon.
  bool LooksSoon();

 private:
  bool IsMany() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return with_broker_ + waiting_.size() >= kMany;
  }

  Mutex mu_;
  std::vector<Item> waiting_ ABSL_GUARDED_BY(mu_);
  std::size_t with_broker_ ABSL_GUARDED_BY(mu_) = 0;
  bool sending_ ABSL_GUARDED_BY(mu_) = false;
  bool looks_soon_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace sidebus
