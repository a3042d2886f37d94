#include "server/codec/dead_letter.h"

#include <array>
#include <charconv>
#include <utility>

#include "fmt/format.h"
#include "server/codec/rfc3339.h"
#include "server/codec/text.h"

namespace sidebus {
namespace {

// After kDeadHeaderPrefix.
constexpr std::string_view kReason = "reason";
constexpr std::string_view kDetail = "detail";
constexpr std::string_view kGroup = "group";
constexpr std::string_view kAttempts = "attempts";
constexpr std::string_view kTopic = "topic";
constexpr std::string_view kPartition = "partition";
constexpr std::string_view kOffset = "offset";
constexpr std::string_view kTimestamp = "timestamp";
constexpr std::string_view kFirstFailure = "first-failure";
constexpr std::string_view kTime = "time";
constexpr std::string_view kTruncated = "truncated";

template <typename Number>
void ReadNumber(std::string_view text, Number& into) {
  std::from_chars(text.data(), text.data() + text.size(), into);
}

void ReadTime(std::string_view text, SystemTime& into) {
  const auto time = ParseRfc3339(text);
  if (!time.has_value()) return;
  // Beyond the years of SystemTime there is nothing that a broker could have stamped.
  constexpr std::int64_t kMost = SystemTime::duration::max().count() / 1'000'000'000;
  if (time->seconds < -kMost || time->seconds > kMost) return;
  into = SystemTime(std::chrono::seconds(time->seconds) + std::chrono::nanoseconds(time->nanos));
}

}  // namespace

std::string_view NameOf(DeadReason reason) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"EXHAUSTED", "REJECTED", "INTERRUPTED", "UNDECODABLE", "UNDELIVERABLE_SIZE"});
  return kNames[static_cast<std::size_t>(reason)];
}

Record MakeDeadLetter(Record record, const DeadLetterNote& note) {
  std::erase_if(record.headers,
                [](const Header& header) { return header.name.starts_with(kDeadHeaderPrefix); });
  const auto add = [&](std::string_view name, std::string value) {
    record.headers.push_back({fmt::format("{}{}", kDeadHeaderPrefix, name), std::move(value)});
  };
  add(kReason, note.reason);
  if (!note.truncated) add(kDetail, note.detail.substr(0, kMaxDeadDetail));
  add(kGroup, note.group);
  add(kAttempts, fmt::format("{}", note.attempts));
  add(kTopic, note.origin.topic);
  add(kPartition, fmt::format("{}", note.origin.partition));
  add(kOffset, fmt::format("{}", note.origin.offset));
  add(kTimestamp, FormatRfc3339(note.timestamp));
  add(kFirstFailure, FormatRfc3339(note.first_failure));
  add(kTime, FormatRfc3339(note.time));
  if (note.truncated) add(kTruncated, "true");
  return record;
}

std::optional<DeadLetterNote> ReadDeadLetterNote(const RawHeaders& headers) {
  DeadLetterNote note;
  bool any = false;
  for (const auto& [full_name, bytes] : headers) {
    if (!full_name.starts_with(kDeadHeaderPrefix)) continue;
    const std::string_view name = full_name.substr(kDeadHeaderPrefix.size());
    const std::string_view value = bytes.value_or("");
    const auto text = [&] { return IsUtf8(value) ? std::string(value) : ToUtf8(value); };
    if (name == kReason) {
      any = true;
      note.reason = text();
    } else if (name == kDetail) {
      note.detail = text();
    } else if (name == kGroup) {
      note.group = text();
    } else if (name == kAttempts) {
      ReadNumber(value, note.attempts);
    } else if (name == kTopic) {
      note.origin.topic = text();
    } else if (name == kPartition) {
      ReadNumber(value, note.origin.partition);
    } else if (name == kOffset) {
      ReadNumber(value, note.origin.offset);
    } else if (name == kTimestamp) {
      ReadTime(value, note.timestamp);
    } else if (name == kFirstFailure) {
      ReadTime(value, note.first_failure);
    } else if (name == kTime) {
      ReadTime(value, note.time);
    } else if (name == kTruncated) {
      note.truncated = true;
    }
  }
  if (!any) return std::nullopt;
  return note;
}

Record MakeRedriven(const RawRecord& dead_letter, std::string_view group) {
  Record record = RecordOf(dead_letter);
  std::erase_if(record.headers, [](const Header& header) {
    return header.name.starts_with(kDeadHeaderPrefix) || header.name == kRedriveGroupHeader;
  });
  record.headers.push_back({std::string(kRedriveGroupHeader), std::string(group)});
  return record;
}

std::optional<std::string_view> RedriveGroupOf(const RawHeaders& headers) {
  for (const auto& [name, value] : headers) {
    if (name == kRedriveGroupHeader) return value.value_or("");
  }
  return std::nullopt;
}

}  // namespace sidebus
