#include "server/codec/uuid.h"

#include <algorithm>
#include <chrono>
#include <random>

namespace sidebus {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

// `count` hexadecimal digits from the top of `bits`. Returns what follows them.
char* WriteHex(char* to, std::uint64_t bits, int count) {
  for (int shift = 60; count > 0; --count, shift -= 4) *to++ = kDigits[(bits >> shift) & 0xf];
  return to;
}

// 0 to 15; nullopt for what is no hexadecimal digit.
std::optional<unsigned> Digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  const char lower = static_cast<char>(c | 0x20);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a' + 10);
  return std::nullopt;
}

std::uint64_t RandomBits() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

// From 1582-10-15, the start of the Gregorian calendar, in steps of 100 ns.
std::uint64_t GregorianTime(SystemTime time) {
  constexpr std::uint64_t kTo1970 = 0x01b2'1dd2'1381'4000;
  return kTo1970 + static_cast<std::uint64_t>(time.time_since_epoch().count() / 100);
}

// The variant, the sequence and the node.
std::uint64_t LowBits(std::uint64_t node, std::uint16_t sequence) {
  constexpr std::uint64_t kVariant = 0x8000'0000'0000'0000;
  return kVariant | static_cast<std::uint64_t>(sequence & 0x3fff) << 48 | (node & 0xffff'ffff'ffff);
}

// What no network card has: addresses of groups.
constexpr std::uint64_t kRandomNode = 0x0100'0000'0000;

}  // namespace

std::string FormatUuid(std::uint64_t high, std::uint64_t low) {
  std::string out(36, '-');
  char* to = WriteHex(out.data(), high, 8) + 1;
  to = WriteHex(to, high << 32, 4) + 1;
  to = WriteHex(to, high << 48, 4) + 1;
  to = WriteHex(to, low, 4) + 1;
  WriteHex(to, low << 16, 12);
  return out;
}

std::optional<std::string> CanonicalUuid(std::string_view text) {
  for (const std::string_view prefix : {"urn:", "uuid:"}) {
    if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  }
  while (text.starts_with('{') || text.starts_with('}')) text.remove_prefix(1);
  while (text.ends_with('{') || text.ends_with('}')) text.remove_suffix(1);

  constexpr int kDigitsOfAll = 32;
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  int digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    const auto digit = Digit(c);
    if (!digit.has_value() || ++digits > kDigitsOfAll) return std::nullopt;
    high = high << 4 | low >> 60;
    low = low << 4 | *digit;
  }
  if (digits != kDigitsOfAll) return std::nullopt;
  return FormatUuid(high, low);
}

UuidV1::UuidV1(const Clock& clock)
    : UuidV1(clock, RandomBits() | kRandomNode, static_cast<std::uint16_t>(RandomBits())) {}

UuidV1::UuidV1(const Clock& clock, std::uint64_t node, std::uint16_t sequence)
    : clock_(clock), low_(LowBits(node, sequence)) {}

std::string UuidV1::Make() {
  const std::uint64_t now = GregorianTime(clock_.WallNow());
  std::uint64_t last = last_.load(std::memory_order_relaxed);
  std::uint64_t time = 0;
  do {
    time = std::max(now, last + 1);
  } while (!last_.compare_exchange_weak(last, time, std::memory_order_relaxed));

  constexpr std::uint64_t kVersion1 = 0x1000;
  const std::uint64_t high =
      time << 32 | (time >> 16 & 0xffff'0000) | kVersion1 | (time >> 48 & 0x0fff);
  return FormatUuid(high, low_);
}

}  // namespace sidebus
