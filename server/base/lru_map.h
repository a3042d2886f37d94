#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <list>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace sidebus {

// A map that is bounded in entries and bytes, and forgets what was not used for the longest time.
//
//   Put(c)   [c b a]      the newest first; beyond a bound the last ones go
//   Find(a)  [a c b]      finding is using, Peek() is not
//
// Invariant: both bounds hold, or there is one entry. So the newest is always there, however large
// it is: whoever wants it otherwise does not put it in.
// A value stays at its address until it is erased, replaced or forgotten.
//
// With a transparent Hash, keys may be looked up by what they compare equal to (Equal).
// Thread safety: none; the owner's lock guards it. Cost: a hash and a comparison of the key.
template <typename Key, typename Value, typename Hash = absl::Hash<Key>,
          typename Equal = std::equal_to<>>
class LruMap {
 public:
  LruMap(std::size_t max_entries, std::size_t max_bytes)
      : max_entries_(max_entries), max_bytes_(max_bytes) {}
  LruMap(const LruMap&) = delete;
  LruMap& operator=(const LruMap&) = delete;

  // Null: it is not there.
  template <typename Like>
  Value* Find(const Like& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, *found);
    return &(*found)->value;
  }
  template <typename Like>
  Value* Peek(const Like& key) {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &(*found)->value;
  }

  // As the newest, in place of one with that key. `bytes` is what key and value take, as the owner
  // counts it. Returns the values that went for it, so that they can be freed without the lock.
  std::vector<Value> Put(Key key, Value value, std::size_t bytes) {
    std::vector<Value> gone;
    if (const auto old = index_.find(key); old != index_.end()) gone.push_back(TakeOut(*old));
    entries_.push_front(Entry{std::move(key), std::move(value), bytes});
    index_.insert(entries_.begin());
    bytes_ += bytes;
    while (entries_.size() > 1 && (entries_.size() > max_entries_ || bytes_ > max_bytes_)) {
      gone.push_back(TakeOut(std::prev(entries_.end())));
    }
    return gone;
  }

  // Whether it was there.
  template <typename Like>
  bool Erase(const Like& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return false;
    TakeOut(*found);
    return true;
  }

  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t max_bytes() const { return max_bytes_; }

 private:
  struct Entry {
    Key key;
    Value value;
    std::size_t bytes;
  };
  using Place = typename std::list<Entry>::iterator;

  static const Key& KeyOf(const Place& place) { return place->key; }
  template <typename Like>
  static const Like& KeyOf(const Like& key) {
    return key;
  }
  struct PlaceHash {
    using is_transparent = void;
    template <typename Like>
    std::size_t operator()(const Like& like) const {
      return Hash()(KeyOf(like));
    }
  };
  struct PlaceEqual {
    using is_transparent = void;
    template <typename Left, typename Right>
    bool operator()(const Left& left, const Right& right) const {
      return Equal()(KeyOf(left), KeyOf(right));
    }
  };

  Value TakeOut(Place place) {
    index_.erase(place);
    bytes_ -= place->bytes;
    Value value = std::move(place->value);
    entries_.erase(place);
    return value;
  }

  const std::size_t max_entries_;
  const std::size_t max_bytes_;
  std::list<Entry> entries_;  // the one used last first
  absl::flat_hash_set<Place, PlaceHash, PlaceEqual> index_;
  std::size_t bytes_ = 0;
};

}  // namespace sidebus
