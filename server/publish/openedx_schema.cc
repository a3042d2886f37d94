#include "server/publish/openedx_schema.h"

#include <algorithm>

#include "server/base/error.h"
#include "server/codec/schema_names.h"

namespace sidebus {

absl::StatusOr<std::shared_ptr<const OpenedxRoute>> OpenedxSchema::On(const std::string& event_type,
                                                                      const Route& route) {
  const auto find = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::find_if(routes_.begin(), routes_.end(),
                        [&route](const auto& one) { return one.first == &route; });
  };
  {
    MutexLock lock(mu_);
    if (const auto found = find(); found != routes_.end()) return found->second;
  }
  auto made = Make(event_type, route);
  if (!made.ok()) return made;
  MutexLock lock(mu_);
  if (const auto found = find(); found != routes_.end()) return found->second;
  return routes_.emplace_back(&route, *std::move(made)).second;
}

absl::StatusOr<std::shared_ptr<const OpenedxRoute>> OpenedxSchema::Make(
    const std::string& event_type, const Route& route) const {
  auto made = std::make_shared<OpenedxRoute>();
  made->schema = schema_;
  made->value_id = std::make_shared<SubjectSchemaId>(
      SubjectSchema{ValueSubject(route.full_topic, event_type), schema_->text()});
  if (route.key_path.has_value()) {
    auto key = AvroFieldPath::Find(schema_, route.key_path->text());
    if (!key.ok()) return WithMetadata(key.status(), error_key::kEventType, event_type);
    made->key = *std::move(key);
    made->key_id = std::make_shared<SubjectSchemaId>(
        SubjectSchema{KeySubject(route.full_topic, made->key->kind()), made->key->schema_text()});
  }
  return made;
}

}  // namespace sidebus
