#include "server/subscribe/writer_schemas.h"

#include <utility>

#include "server/base/error.h"

namespace sidebus {

std::optional<WriterSchemas::Answer> WriterSchemas::Find(SchemaId id) {
  MutexLock lock(mu_);
  if (Look(id) == nullptr) return std::nullopt;
  const Entry& entry = *entries_.Find(id);
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
    const Entry* const known = Look(id);
    if (known != nullptr && !known->first.has_value()) return absl::OkStatus();
  }
  absl::StatusOr<Schema> schema = AvroSchema::Parse(**answer);
  const std::size_t bytes = schema.ok() ? (*schema)->memory_bytes() : AvroSchema::MemoryBytes(0);
  std::vector<Entry> forgotten;  // freed after the lock
  MutexLock lock(mu_);
  forgotten = entries_.Put(id, Entry{std::move(schema)}, bytes);
  return absl::OkStatus();
}

std::size_t WriterSchemas::bytes() {
  MutexLock lock(mu_);
  return entries_.bytes();
}

void WriterSchemas::Refuse(SchemaId id, const absl::Status& why) {
  const SteadyTime now = clock_.Now();
  const Entry* const before = Look(id);
  if (before != nullptr && before->answer.ok()) return;
  const SteadyTime first = before == nullptr ? now : before->first.value_or(now);
  entries_.Put(id, Entry{why, first, now}, AvroSchema::MemoryBytes(0));
}

const WriterSchemas::Entry* WriterSchemas::Look(SchemaId id) {
  const Entry* const found = entries_.Peek(id);
  if (found == nullptr || !found->first.has_value()) return found;
  if (clock_.Now() < found->last + kKeepRefusals) return found;
  entries_.Erase(id);
  return nullptr;
}

}  // namespace sidebus
