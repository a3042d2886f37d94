#include "server/subscribe/writer_schemas.h"

#include <utility>

#include "server/base/error.h"

namespace sidebus {
namespace {

// What a parsed schema takes, about: its types and fields are larger than their text.
constexpr std::size_t kBytesPerByte = 10;
constexpr std::size_t kSchemaEntryBytes = 1000;

}  // namespace

std::optional<WriterSchemas::Answer> WriterSchemas::Find(SchemaId id) {
  MutexLock lock(mu_);
  const auto found = FindEntry(id);
  if (found == entries_.end()) return std::nullopt;
  const Entry& entry = found->second;
  used_.splice(used_.begin(), used_, entry.use);
  Answer answer;
  if (entry.answer.ok()) {
    answer.schema = *entry.answer;
    return answer;
  }
  answer.error = entry.answer.status();
  if (!entry.first.has_value()) return answer;
  answer.final = entry.last - *entry.first >= kAskAgain;
  answer.ask_again = entry.last + kAskAgain;
  return answer;
}

std::optional<absl::Status> WriterSchemas::Ask(SchemaId id,
                                               absl::AnyInvocable<void(absl::Status)> later) {
  const auto known =
      cache_.FindText(id, [weak = weak_from_this(), id, later = std::move(later)](
                              const absl::StatusOr<SchemaCache::Text>& answer) mutable {
        if (const auto self = weak.lock()) later(self->Note(id, answer));
      });
  if (!known.has_value()) return std::nullopt;
  return Note(id, *known);
}

absl::Status WriterSchemas::Note(SchemaId id, const absl::StatusOr<SchemaCache::Text>& answer) {
  if (!answer.ok()) {
    if (ReasonOf(answer.status()) == Reason::kRegistryDown) return answer.status();
    MutexLock lock(mu_);
    Refuse(id, answer.status());
    return absl::OkStatus();
  }
  {
    MutexLock lock(mu_);
    const auto found = FindEntry(id);
    if (found != entries_.end() && !found->second.first.has_value()) return absl::OkStatus();
  }
  absl::StatusOr<Schema> schema = AvroSchema::Parse(**answer);
  const std::size_t bytes = schema.ok() ? kBytesPerByte * (*answer)->size() : 0;
  MutexLock lock(mu_);
  Keep(id, std::move(schema), kSchemaEntryBytes + bytes);
  return absl::OkStatus();
}

void WriterSchemas::Keep(SchemaId id, absl::StatusOr<Schema> answer, std::size_t bytes) {
  if (const auto old = entries_.find(id); old != entries_.end()) Erase(old);
  used_.push_front(id);
  Entry entry{std::move(answer), bytes, std::nullopt, {}, used_.begin()};
  entries_.emplace(id, std::move(entry));
  bytes_ += bytes;
  while (entries_.size() > 1 && (entries_.size() > kMaxEntries || bytes_ > kMaxBytes)) {
    Erase(entries_.find(used_.back()));
  }
}

void WriterSchemas::Refuse(SchemaId id, const absl::Status& why) {
  const SteadyTime now = clock_.Now();
  auto found = FindEntry(id);
  if (found != entries_.end() && found->second.answer.ok()) return;
  const SteadyTime first = found == entries_.end() ? now : found->second.first.value_or(now);
  Keep(id, why, kSchemaEntryBytes);
  found = entries_.find(id);
  found->second.first = first;
  found->second.last = now;
}

WriterSchemas::Entries::iterator WriterSchemas::FindEntry(SchemaId id) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.first.has_value()) return found;
  if (clock_.Now() < found->second.last + kKeepRefusals) return found;
  Erase(found);
  return entries_.end();
}

void WriterSchemas::Erase(Entries::iterator entry) {
  bytes_ -= entry->second.bytes;
  used_.erase(entry->second.use);
  entries_.erase(entry);
}

}  // namespace sidebus
