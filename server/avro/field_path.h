#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"

namespace sidebus {

// The place of one primitive field in the values of a schema, for example
// `enrollment.course.course_key`.
//
// An immutable value; keeps its schema alive. Thread safety: all methods are const.
class AvroFieldPath {
 public:
  // `dotted` has the names of fields between dots. KEY_FIELD_MISSING with the path as `field`:
  // the schema has no such field, or one that is not primitive, is null or may be null, which
  // Open edX cannot use as a key either.
  static absl::StatusOr<AvroFieldPath> Find(std::shared_ptr<const AvroSchema> schema,
                                            std::string_view dotted);

  // Paths that Find() takes, in the order of the schema: at most `most`. For people who look for one.
  static std::vector<std::string> All(const AvroSchema& schema, std::size_t most);

  const std::string& text() const { return text_; }
  const std::vector<std::string>& parts() const { return parts_; }  // not empty

  AvroKind kind() const { return field_->type->kind; }
  const AvroType& type() const { return *field_->type; }

  // The text that a key is registered with: {"name": "course_key", "type": "string"}.
  const std::string& schema_text() const { return field_->text; }

 private:
  AvroFieldPath() = default;

  std::shared_ptr<const AvroSchema> schema_;
  std::string text_;
  std::vector<std::string> parts_;
  const AvroField* field_ = nullptr;  // of schema_
};

}  // namespace sidebus
