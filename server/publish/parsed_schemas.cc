#include "server/publish/parsed_schemas.h"

#include <utility>
#include <vector>

namespace sidebus {

absl::StatusOr<std::shared_ptr<OpenedxSchema>> ParsedSchemas::Find(std::string_view text) {
  {
    MutexLock lock(mu_);
    if (const auto* found = schemas_.Find(text); found != nullptr) return *found;
  }
  auto parsed = AvroSchema::Parse(text);
  if (!parsed.ok()) return parsed.status();
  auto schema = std::make_shared<OpenedxSchema>(*std::move(parsed), OpenedxSchema::Origin::kEvent);

  std::vector<std::shared_ptr<OpenedxSchema>> forgotten;  // freed after the lock
  MutexLock lock(mu_);
  if (const auto* found = schemas_.Find(text); found != nullptr) return *found;  // faster than us
  forgotten = schemas_.Put(std::string(text), schema, BytesOf(text.size()));
  return schema;
}

std::size_t ParsedSchemas::bytes() {
  MutexLock lock(mu_);
  return schemas_.bytes();
}

}  // namespace sidebus
