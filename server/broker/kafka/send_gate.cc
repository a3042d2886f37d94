#include "server/broker/kafka/send_gate.h"

#include <utility>

namespace sidebus {

SendGate::Then SendGate::Add(const Item& item) {
  MutexLock lock(mu_);
  const bool at_once = with_broker_ < kFew || with_broker_ >= kMany;
  if (at_once && waiting_.empty() && !sending_) {
    ++with_broker_;
    sending_ = true;
    return Then::kSend;
  }
  waiting_.push_back(item);
  if (IsMany() && !sending_) return Then::kSendAll;
  return std::exchange(looks_soon_, true) ? Then::kWait : Then::kWake;
}

std::vector<SendGate::Item> SendGate::TakeAll() {
  MutexLock lock(mu_);
  if (sending_ || waiting_.empty()) return {};
  sending_ = true;
  with_broker_ += waiting_.size();
  return std::exchange(waiting_, {});
}

bool SendGate::Sent(std::size_t refused) {
  MutexLock lock(mu_);
  sending_ = false;
  with_broker_ -= refused;
  return !waiting_.empty() && IsMany();
}

void SendGate::Reported(std::size_t count) {
  MutexLock lock(mu_);
  with_broker_ -= count;
}

std::vector<SendGate::Item> SendGate::GiveUp() {
  MutexLock lock(mu_);
  return std::exchange(waiting_, {});
}

bool SendGate::LooksSoon() {
  MutexLock lock(mu_);
  looks_soon_ = !waiting_.empty() || with_broker_ >= kFew;
  return looks_soon_;
}

}  // namespace sidebus
