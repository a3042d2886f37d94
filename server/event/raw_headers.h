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
// block, however many they are, and in the form that they have in a record, so that reading them is
// one copy:
//
//   block: length of the name, name, length of the value or -1 for null, value; one after the other
//
// with lengths as Kafka writes them: zigzag varints (KIP-82).
//
// Thread safety: as std::string. Iterators, and what views show, are valid until the next Add(); the
// view that an iterator refers to until it moves.
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
    using reference = const View&;

    explicit Iterator(std::string_view rest = {}) : rest_(rest) { Read(); }
    const View& operator*() const { return view_; }
    const View* operator->() const { return &view_; }
    Iterator& operator++() {
      rest_.remove_prefix(size_);
      Read();
      return *this;
    }
    Iterator operator++(int);

    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.rest_.size() == b.rest_.size();
    }

   private:
    // What is in the block has been looked at: there is a whole header, if there is anything.
    void Read() {
      if (rest_.empty()) return;
      const char* at = rest_.data();
      const auto name = static_cast<std::size_t>(ReadLength(at));
      view_.name = {at, name};
      at += name;
      const std::int64_t value = ReadLength(at);
      view_.value.reset();
      if (value >= 0) {
        view_.value.emplace(at, static_cast<std::size_t>(value));
        at += value;
      }
      size_ = static_cast<std::size_t>(at - rest_.data());
    }

    // Nearly all are of one byte.
    static std::int64_t ReadLength(const char*& at) {
      std::uint64_t zigzag = 0;
      std::uint64_t byte = 0;
      unsigned shift = 0;
      do {
        byte = static_cast<unsigned char>(*at++);
        zigzag |= (byte & 0x7f) << shift;
        shift += 7;
      } while (byte > 0x7f);
      return static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
    }

    std::string_view rest_;
    std::size_t size_ = 0;  // of the first, as it is in the block
    View view_;
  };

  // Of the bytes that a record has for its headers: their number, a zigzag varint, and the block.
  // nullopt: they are something else, or more than 100,000. What follows the last header is left out.
  static std::optional<RawHeaders> Parse(std::string_view bytes);

  // Room for so many headers of `bytes` bytes of names and values together.
  void Reserve(std::size_t count, std::size_t bytes) {
    block_.reserve(count * kMaxLengths + bytes);
  }

  void Add(std::string_view name, std::optional<std::string_view> value);

  Iterator begin() const { return Iterator(block_); }
  Iterator end() const { return Iterator(); }
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

  // Of names and values.
  std::size_t bytes() const { return bytes_; }

  // What it takes beside the object itself.
  std::size_t memory() const { return block_.capacity(); }

  friend bool operator==(const RawHeaders&, const RawHeaders&) = default;

 private:
  static constexpr std::size_t kMaxLengths =
      10;  // both of a header; no record is larger than 2 GiB

  std::string block_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
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
