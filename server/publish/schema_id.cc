#include "server/publish/schema_id.h"

#include <utility>

namespace sidebus {

void SchemaAnswer::Set(absl::StatusOr<SchemaId> answer) {
  answer_ = std::move(answer);
  state_.store(answer_.ok() ? State::kKnown : State::kFailed, std::memory_order_release);
}

absl::StatusOr<SubjectSchemaId::Found> SubjectSchemaId::Find(Ask ask) {
  const std::uint64_t known = id_.load(std::memory_order_acquire);
  if (known != kUnknown) return Found{SchemaId(static_cast<std::uint32_t>(known)), nullptr};
  {
    MutexLock lock(mu_);
    if (open_ != nullptr && open_->state() == SchemaAnswer::State::kOpen) return Found{{}, open_};
  }
  // Two may ask at a time; the cache makes one request of it.
  const auto answer = std::make_shared<SchemaAnswer>();
  auto at_once = ask(schema_, [self = shared_from_this(), answer](absl::StatusOr<SchemaId> id) {
    if (id.ok()) self->id_.store(id->value(), std::memory_order_release);
    answer->Set(std::move(id));
  });
  if (at_once.has_value()) {
    if (!at_once->ok()) return at_once->status();
    id_.store((*at_once)->value(), std::memory_order_release);
    return Found{**at_once, nullptr};
  }
  MutexLock lock(mu_);
  open_ = answer;
  return Found{{}, answer};
}

}  // namespace sidebus
