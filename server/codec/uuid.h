#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/clock.h"

namespace sidebus {

// The 128 bits as text: lower case, 8-4-4-4-12 digits.
std::string FormatUuid(std::uint64_t high, std::uint64_t low);

// A UUID in that form, from all that Python's uuid.UUID() takes: any case, with or without hyphens,
// in braces, after `urn:uuid:`. Any version, any bits. nullopt: it is none.
std::optional<std::string> CanonicalUuid(std::string_view text);

// Makes version 1 UUIDs, which Open edX gives its events: a time in steps of 100 ns, and numbers
// that stand for the machine, here random ones.
//
// Times only go forward and are never used twice, also when the clock stands or is put back.
// Thread-safe, without a lock.
class UuidV1 {
 public:
  // With random numbers for the machine and the sequence. `clock` is borrowed.
  explicit UuidV1(const Clock& clock);

  // 48 and 14 bits of these are used.
  UuidV1(const Clock& clock, std::uint64_t node, std::uint16_t sequence);

  std::string Make();

 private:
  const Clock& clock_;
  const std::uint64_t low_;  // all but the time
  std::atomic<std::uint64_t> last_{0};
};

}  // namespace sidebus
