#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/error.h"
#include "server/base/lru_map.h"

namespace sidebus {

// What was answered to questions of one kind, and who waits for an answer.
//
//   question   Find()                              after
//   unknown    nothing                             Wait(): asked
//   asked      nothing                             Settle(): answered, refused or failed
//   answered   the value                           until it is pushed out
//   refused    the error                           kKeepRefusals: unknown
//   failed     the error (REGISTRY_DOWN)           a pause that doubles with each failure in a row:
//                                                  unknown, but for the length of the next pause;
//                                                  or ForgetFailures(): unknown
//
// Answered, refused and failed questions are bounded in number and bytes: those that nobody asked
// for longest are pushed out, and what is larger than all of the room is not kept. Asked ones are
// the owner's to bound.
//
// Kind names the types Key, Value and Hash, and says with Bytes(key) and Bytes(value) what they
// take.
// Thread safety: none; the owner's lock guards it. Cost: a hash and a comparison of the key.
template <typename Kind>
class AnswerTable {
 public:
  using Key = typename Kind::Key;
  using Value = typename Kind::Value;
  using Hash = typename Kind::Hash;
  using Answer = absl::StatusOr<Value>;
  using Waiter = absl::AnyInvocable<void(Answer)>;

  static constexpr Duration kKeepRefusals = std::chrono::seconds(10);
  static constexpr Duration kMinPause = std::chrono::milliseconds(250);
  static constexpr Duration kMaxPause = std::chrono::seconds(5);

  AnswerTable(std::size_t max_entries, std::size_t max_bytes) : known_(max_entries, max_bytes) {}

  std::optional<Answer> Find(const Key& key, SteadyTime now) {
    const Entry* const found = known_.Find(key);
    if (found == nullptr || now >= found->until || IsForgotten(*found)) return std::nullopt;
    return found->answer;
  }

  // What failed until now may be asked at once.
  void ForgetFailures(SteadyTime now) { forgotten_ = now; }

  bool IsAsked(const Key& key) const { return asked_.contains(key); }

  void Wait(const Key& key, Waiter waiter) {
    const auto [asked, is_new] = asked_.try_emplace(key);
    if (is_new) asked_bytes_ += AskedBytes(key);
    asked->second.push_back(std::move(waiter));
  }

  // Who waited, in the order in which they came; they are the caller's to tell, without its lock.
  std::vector<Waiter> Settle(const Key& key, const Answer& answer, SteadyTime now) {
    auto asked = asked_.extract(key);
    Keep(key, answer, now);
    if (asked.empty()) return {};
    asked_bytes_ -= AskedBytes(key);
    return std::move(asked.mapped());
  }

  // What a question takes while it is asked: it is here and in the request.
  static std::size_t AskedBytes(const Key& key) { return 2 * Kind::Bytes(key); }

  std::size_t asked() const { return asked_.size(); }
  std::size_t asked_bytes() const { return asked_bytes_; }
  std::size_t entries() const { return known_.size(); }
  std::size_t bytes() const { return known_.bytes(); }

 private:
  struct Entry {
    Answer answer;
    SteadyTime until;   // for how long that is the answer
    Duration pause{0};  // the last one, after failures in a row
  };
  static constexpr std::size_t kOverheadBytes = 200;  // of an entry with its nodes, about

  bool IsForgotten(const Entry& entry) const {
    return entry.pause > Duration(0) && entry.until - entry.pause <= forgotten_;
  }

  void Keep(const Key& key, const Answer& answer, SteadyTime now) {
    Entry entry{answer, SteadyTime::max(), Duration(0)};
    std::size_t bytes = kOverheadBytes + Kind::Bytes(key);
    if (answer.ok()) {
      bytes += Kind::Bytes(*answer);
    } else if (ReasonOf(answer.status()) == Reason::kRegistryDown) {
      const Entry* const old = known_.Peek(key);
      const Duration before = old == nullptr || IsForgotten(*old) ? Duration(0) : old->pause;
      entry.pause = std::clamp(2 * before, kMinPause, kMaxPause);
      entry.until = now + entry.pause;
    } else {
      entry.until = now + kKeepRefusals;
    }
    if (bytes > known_.max_bytes()) {
      known_.Erase(key);
    } else {
      known_.Put(key, std::move(entry), bytes);
    }
  }

  LruMap<Key, Entry, Hash> known_;
  std::unordered_map<Key, std::vector<Waiter>, Hash> asked_;
  std::size_t asked_bytes_ = 0;
  SteadyTime forgotten_ = SteadyTime::min();  // failures until then do not count
};

}  // namespace sidebus
