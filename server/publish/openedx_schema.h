#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"
#include "server/avro/field_path.h"
#include "server/base/mutex.h"
#include "server/publish/schema_id.h"
#include "server/routing/router.h"

namespace sidebus {

// How the records of one event type, one schema and one route are encoded.
struct OpenedxRoute {
  std::shared_ptr<const AvroSchema> schema;
  std::optional<AvroFieldPath> key;  // the route's event_key_field; nullopt: no keys
  std::shared_ptr<SubjectSchemaId> value_id;
  std::shared_ptr<SubjectSchemaId> key_id;  // null without a key field
};

// A parsed schema with what is known of it on the routes that it was used on.
//
// Thread safety: all methods may be called from any thread.
class OpenedxSchema {
 public:
  enum class Origin : std::uint8_t { kEvent, kOptions };

  OpenedxSchema(std::shared_ptr<const AvroSchema> schema, Origin origin)
      : schema_(std::move(schema)), origin_(origin) {}

  const std::string& text() const { return schema_->text(); }
  Origin origin() const { return origin_; }

  // `route` is one of `event_type`'s; both outlive this. KEY_FIELD_MISSING: its event_key_field is no
  // field of the schema that can be a key.
  absl::StatusOr<std::shared_ptr<const OpenedxRoute>> On(const std::string& event_type,
                                                         const Route& route);

 private:
  absl::StatusOr<std::shared_ptr<const OpenedxRoute>> Make(const std::string& event_type,
                                                           const Route& route) const;

  const std::shared_ptr<const AvroSchema> schema_;
  const Origin origin_;
  Mutex mu_;
  std::vector<std::pair<const Route*, std::shared_ptr<const OpenedxRoute>>> routes_
      ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
