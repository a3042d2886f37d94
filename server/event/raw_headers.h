#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "server/event/event.h"

namespace sidebus {

// The headers of a record as they came, in their order, nothing lost or changed. Every consumed
// record carries them until it is settled, because a dead letter has them byte for byte; hence one
// block, however many they are.
//
//   block: name length, value length or kNull (4 bytes each), name, value; one after the other
//
// Thread safety: as std::string. Views and iterators are valid until the next Add().
class RawHeaders {
 public:
  struct View {
    std::string_view name;
    std::optional<std::string_view> value;  // absent: Kafka's null

    friend bool operator==(const View&, const View&) = default;
  };

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = View;
    using difference_type = std::ptrdiff_t;
    using pointer = const View*;
    using reference = View;

    explicit Iterator(std::string_view rest = {}) : rest_(rest) {}
    View operator*() const;
    Iterator& operator++();
    Iterator operator++(int);

    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.rest_.size() == b.rest_.size();
    }

   private:
    std::string_view rest_;
  };

  // Room for so many headers of `bytes` bytes of names and values together.
  void Reserve(std::size_t count, std::size_t bytes) { block_.reserve(count * kLengths + bytes); }

  void Add(std::string_view name, std::optional<std::string_view> value);

  Iterator begin() const { return Iterator(block_); }
  Iterator end() const { return Iterator(); }
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

  // Of names and values.
  std::size_t bytes() const { return block_.size() - count_ * kLengths; }

  // What it takes beside the object itself.
  std::size_t memory() const { return block_.capacity(); }

  friend bool operator==(const RawHeaders&, const RawHeaders&) = default;

 private:
  static constexpr std::size_t kLengths = 2 * sizeof(std::uint32_t);

  std::string block_;
  std::size_t count_ = 0;
};

// A record as it was consumed.
struct RawRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;
  RawHeaders headers;

  friend bool operator==(const RawRecord&, const RawRecord&) = default;
};

RawRecord RawRecordOf(const Record& record);

// With headers that can be changed one by one.
Record RecordOf(const RawRecord& record);

// Bytes of key, value, header names and values.
std::size_t SizeOf(const RawRecord& record);

}  // namespace sidebus
