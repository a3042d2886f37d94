#include "server/avro/field_path.h"

#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"

namespace sidebus {
namespace {

absl::Status Missing(std::string_view path, std::string_view why) {
  return MakeError(Reason::kKeyFieldMissing,
                   fmt::format("no record key: event_key_field \"{}\" {} in the schema; with Avro "
                               "only a field of a simple type that is never null can be the key",
                               path, why),
                   {{std::string(error_key::kField), std::string(path)}});
}

bool CanBeKey(AvroKind kind) { return IsPrimitive(kind) && kind != AvroKind::kNull; }

// Types may go in circles: no deeper than any schema of events is.
void CollectKeyPaths(const AvroType& record, const std::string& prefix, std::size_t depth,
                     std::size_t most, std::vector<std::string>& paths) {
  constexpr std::size_t kDeepest = 8;
  for (const AvroField& field : record.fields) {
    if (paths.size() == most) return;
    std::string path = prefix + field.name;
    if (CanBeKey(field.type->kind)) {
      paths.push_back(std::move(path));
    } else if (field.type->kind == AvroKind::kRecord && depth < kDeepest) {
      CollectKeyPaths(*field.type, path + ".", depth + 1, most, paths);
    }
  }
}

}  // namespace

std::vector<std::string> AvroFieldPath::All(const AvroSchema& schema, std::size_t most) {
  std::vector<std::string> paths;
  CollectKeyPaths(schema.root(), "", 1, most, paths);
  return paths;
}

absl::StatusOr<AvroFieldPath> AvroFieldPath::Find(std::shared_ptr<const AvroSchema> schema,
                                                  std::string_view dotted) {
  AvroFieldPath path;
  path.text_ = dotted;
  const AvroType* type = &schema->root();
  for (bool last = false; !last;) {
    const std::size_t dot = dotted.find('.');
    const std::string_view name = dotted.substr(0, dot);
    const auto place = type->places.find(name);
    if (type->kind != AvroKind::kRecord || place == type->places.end()) {
      return Missing(path.text_, "does not exist");
    }
    path.field_ = &type->fields[place->second];
    path.parts_.emplace_back(name);
    type = path.field_->type;
    last = dot == std::string_view::npos;
    if (!last) dotted.remove_prefix(dot + 1);
  }
  if (!CanBeKey(type->kind)) {
    return Missing(path.text_, fmt::format("is of type {}", type->Describe()));
  }
  path.schema_ = std::move(schema);
  return path;
}

}  // namespace sidebus
