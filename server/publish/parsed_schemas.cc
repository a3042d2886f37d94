#include "server/publish/parsed_schemas.h"

#include <utility>

#include "server/avro/avro_schema.h"

namespace sidebus {

absl::StatusOr<std::shared_ptr<OpenedxSchema>> ParsedSchemas::Find(std::string_view text) {
  {
    MutexLock lock(mu_);
    if (auto found = Touch(text); found != nullptr) return found;
  }
  auto parsed = AvroSchema::Parse(text);
  if (!parsed.ok()) return parsed.status();
  Entries entry;
  entry.push_back({std::string(text), std::make_shared<OpenedxSchema>(*std::move(parsed), OpenedxSchema::Origin::kEvent)});

  Entries forgotten;  // freed after the lock
  MutexLock lock(mu_);
  if (auto found = Touch(text); found != nullptr) return found;  // somebody was faster
  entries_.splice(entries_.begin(), entry);
  by_text_.emplace(entries_.front().text, entries_.begin());
  text_bytes_ += text.size();
  while (entries_.size() > 1 && (entries_.size() > max_entries_ || text_bytes_ > max_text_bytes_)) {
    const auto last = std::prev(entries_.end());
    by_text_.erase(last->text);
    text_bytes_ -= last->text.size();
    forgotten.splice(forgotten.begin(), entries_, last);
  }
  return entries_.front().schema;
}

std::shared_ptr<OpenedxSchema> ParsedSchemas::Touch(std::string_view text) {
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->schema;
}

}  // namespace sidebus
