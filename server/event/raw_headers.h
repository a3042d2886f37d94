#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/varint.h"
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

    Iterator() = default;
    // The headers from `at` to `end`, in a block.
    Iterator(const char* at, const char* end) : at_(at), next_(at), end_(end) { Read(); }

    const View& operator*() const { return view_; }
    const View* operator->() const { return &view_; }
    Iterator& operator++() {
      at_ = next_;
      Read();
      return *this;
    }
    Iterator operator++(int);

    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    // What is in the block has been looked at: there is a whole header, if there is anything.
    void Read() {
      if (at_ == end_) return;
      const auto name = static_cast<std::size_t>(TakeKnownLength(next_, end_));
      view_.name = {next_, name};
      next_ += name;
      const std::int64_t value = TakeKnownLength(next_, end_);
      if (value == kNull) return view_.value.reset();
      view_.value.emplace(next_, static_cast<std::size_t>(value));
      next_ += value;
    }

    const char* at_ = nullptr;
    const char* next_ = nullptr;
    const char* end_ = nullptr;
    View view_;
  };

  // Of the bytes that a record has for its headers: their number, a zigzag varint, and the block.
  // nullopt: they are something else, or more than 100,000. What follows the last header is left out.
  static std::optional<RawHeaders> Parse(std::string_view bytes);

  // Room for so many headers of `bytes` bytes of names and values together.
  void Reserve(std::size_t count, std::size_t bytes) {
    block_.reserve(count * 2 * kMaxLength + bytes);
  }

  void Add(std::string_view name, std::optional<std::string_view> value);

  Iterator begin() const { return {block_.data(), block_.data() + block_.size()}; }
  Iterator end() const { return {block_.data() + block_.size(), block_.data() + block_.size()}; }
  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }

  // As a record has them, without their number in front.
  std::string_view block() const { return block_; }

  // Of names and values.
  std::size_t bytes() const { return bytes_; }

  // What it takes beside the object itself.
  std::size_t memory() const { return block_.capacity(); }

  friend bool operator==(const RawHeaders&, const RawHeaders&) = default;

 private:
  static constexpr std::int64_t kNull = -1;
  static constexpr std::size_t kMaxLength = 5;  // bytes of a length: no record is larger than 2 GiB

  // Each takes something from the front of `bytes`; false: it is not there, or no length.
  static bool TakeLength(std::string_view& bytes, std::int64_t& length);
  static bool TakeBytes(std::string_view& bytes, std::int64_t length);

  // The length that is at `at`, in a block that goes on to `end`; `at` moves behind it.
  static std::int64_t TakeKnownLength(const char*& at, const char* end) {
    const auto bits = static_cast<unsigned char>(*at);
    if (bits < 0x80) {  // of one byte, as most are
      ++at;
      return (bits >> 1) ^ -(bits & 1);
    }
    std::string_view rest(at, static_cast<std::size_t>(end - at));
    const std::int64_t length = TakeLongVarint(rest).value_or(kNull);
    at = rest.data();
    return length;
  }

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

RawHeaders RawHeadersOf(const std::vector<Header>& headers);
RawRecord RawRecordOf(const Record& record);

// With headers that can be changed one by one.
Record RecordOf(const RawRecord& record);

// Bytes of key, value, header names and values.
std::size_t SizeOf(const RawRecord& record);

}  // namespace sidebus
