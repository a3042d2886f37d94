#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/error.h"

namespace sidebus {

// What was answered to questions of one kind, and who waits for an answer.
//
//   question   Find()                              after
//   unknown    nothing                             Wait(): asked
//   asked      nothing                             Settle(): answered, refused or failed
//   answered   the value                           until it is pushed out
//   refused    the error                           kKeepRefusals: unknown
//   failed     the error (REGISTRY_DOWN)           a pause that doubles with each failure in a row:
//                                                  unknown, but for the length of the next pause
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

  AnswerTable(std::size_t max_entries, std::size_t max_bytes)
      : max_entries_(max_entries), max_bytes_(max_bytes) {}

  std::optional<Answer> Find(const Key& key, SteadyTime now) {
    const auto found = known_.find(key);
    if (found == known_.end() || now >= found->second.until) return std::nullopt;
    used_.splice(used_.begin(), used_, found->second.use);
    return found->second.answer;
  }

  bool IsAsked(const Key& key) const { return asked_.contains(key); }

  void Wait(const Key& key, Waiter waiter) { asked_[key].push_back(std::move(waiter)); }

  // Who waited, in the order in which they came; they are the caller's to tell, without its lock.
  std::vector<Waiter> Settle(const Key& key, const Answer& answer, SteadyTime now) {
    auto asked = asked_.extract(key);
    Keep(key, answer, now);
    return asked.empty() ? std::vector<Waiter>() : std::move(asked.mapped());
  }

  std::size_t asked() const { return asked_.size(); }
  std::size_t entries() const { return known_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    Answer answer;
    SteadyTime until;   // for how long that is the answer
    Duration pause{0};  // the last one, after failures in a row
    std::size_t bytes = 0;
    typename std::list<const Key*>::iterator use;
  };
  static constexpr std::size_t kOverheadBytes = 200;  // of an entry with its nodes, about

  void Keep(const Key& key, const Answer& answer, SteadyTime now) {
    Duration pause{0};
    if (const auto old = known_.find(key); old != known_.end()) {
      pause = old->second.pause;
      Erase(old);
    }
    Entry entry{answer, SteadyTime::max(), Duration(0), kOverheadBytes + Kind::Bytes(key), {}};
    if (answer.ok()) {
      entry.bytes += Kind::Bytes(*answer);
    } else if (ReasonOf(answer.status()) == Reason::kRegistryDown) {
      entry.pause = std::clamp(2 * pause, kMinPause, kMaxPause);
      entry.until = now + entry.pause;
    } else {
      entry.until = now + kKeepRefusals;
    }
    if (entry.bytes > max_bytes_) return;
    bytes_ += entry.bytes;
    const auto kept = known_.emplace(key, std::move(entry)).first;
    used_.push_front(&kept->first);
    kept->second.use = used_.begin();
    while (known_.size() > max_entries_ || bytes_ > max_bytes_) Erase(known_.find(*used_.back()));
  }

  void Erase(typename std::unordered_map<Key, Entry, Hash>::iterator entry) {
    bytes_ -= entry->second.bytes;
    used_.erase(entry->second.use);
    known_.erase(entry);
  }

  const std::size_t max_entries_;
  const std::size_t max_bytes_;
  std::unordered_map<Key, Entry, Hash> known_;
  std::list<const Key*> used_;  // known questions, the one asked for last first
  std::unordered_map<Key, std::vector<Waiter>, Hash> asked_;
  std::size_t bytes_ = 0;
};

}  // namespace sidebus
