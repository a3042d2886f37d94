#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/event/event.h"
#include "server/event/raw_headers.h"

namespace sidebus {

// Dead letters as Kafka records: the record as it was, byte for byte, with headers `sidebus-dead-*`
// that say why it is here and where it came from. A record that is dead-lettered again has those of
// the last time only. Times are RFC 3339 in UTC, numbers decimal.

// Why a record left its group.
enum class DeadReason : std::uint8_t {
  kExhausted,          // used up its attempts
  kRejected,           // by the application, or by an operator
  kInterrupted,        // its holders vanished too often
  kUndecodable,        // is no event, and never will be
  kUndeliverableSize,  // larger than a stream may receive
};

// EXHAUSTED, REJECTED, INTERRUPTED, UNDECODABLE, UNDELIVERABLE_SIZE.
std::string_view NameOf(DeadReason reason);

inline constexpr std::string_view kDeadHeaderPrefix = "sidebus-dead-";

// Marks a redriven record with the group it was redriven for: the only one that takes it.
inline constexpr std::string_view kRedriveGroupHeader = "sidebus-redrive-group";

inline constexpr std::size_t kMaxDeadDetail = 1024;

// What the headers say, in UTF-8. As read from a record of somebody else, anything may be empty or -1.
struct DeadLetterNote {
  std::string reason;
  std::string detail;  // for people; not written when `truncated`, longest 1 KiB
  std::string group;
  std::uint32_t attempts = 0;  // deliveries that failed
  Position origin;             // topic with prefix
  SystemTime timestamp{};      // the record's own, where it came from
  SystemTime first_failure{};
  SystemTime time{};       // of dead-lettering
  bool truncated = false;  // the detail was left out, or the record would have been too large

  friend bool operator==(const DeadLetterNote&, const DeadLetterNote&) = default;
};

// `record` with the note, instead of what an earlier one said.
Record MakeDeadLetter(Record record, const DeadLetterNote& note);

// nullopt: the record has no `sidebus-dead-reason`, so it is no dead letter.
std::optional<DeadLetterNote> ReadDeadLetterNote(const RawHeaders& headers);

// The record that was dead-lettered, to be published again for `group` alone.
Record MakeRedriven(const RawRecord& dead_letter, std::string_view group);

// The group that a redriven record is for; nullopt: it is for all.
std::optional<std::string_view> RedriveGroupOf(const RawHeaders& headers);

}  // namespace sidebus
