#include "server/avro/avro_schema.h"

#include <simdjson.h>

#include "fmt/format.h"
#include "server/avro/python_json.h"
#include "server/avro/schema_parser.h"
#include "server/base/error.h"

namespace sidebus {
namespace {

// simdjson counts a container when it opens its first member, and refuses at the bound itself.
constexpr std::size_t kMaxJsonDepth = 128 + 1;

absl::Status Invalid(std::string_view what) {
  return MakeError(Reason::kEventInvalid, fmt::format("the Avro schema {}", what),
                   {{std::string(error_key::kField), "schema"}});
}

}  // namespace

std::string AvroType::Describe() const {
  std::string text;
  if (kind != AvroKind::kUnion) {
    text = NameOf(kind);
    if (!name.empty()) text += fmt::format(" {}", name.substr(name.rfind('.') + 1));
    return text;
  }
  constexpr std::size_t kMost = 8;
  for (std::size_t i = 0; i < parts.size() && i <= kMost; ++i) {
    text += i == 0 ? "" : " or ";
    text += i == kMost ? "others" : parts[i]->Describe();
  }
  return text;
}

absl::StatusOr<std::shared_ptr<const AvroSchema>> AvroSchema::Parse(std::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return Invalid(fmt::format("has {} bytes; at most {} are allowed", text.size(), kMaxTextBytes));
  }
  simdjson::dom::parser json;
  simdjson::dom::element document;
  if (json.allocate(text.size(), kMaxJsonDepth) != simdjson::SUCCESS) {
    return Invalid("is too large to be read");
  }
  if (const auto error = json.parse(text.data(), text.size()).get(document); error) {
    return Invalid(fmt::format("is not JSON: {}", simdjson::error_message(error)));
  }
  std::shared_ptr<AvroSchema> schema(new AvroSchema());
  SchemaParser parser(schema->types_);
  schema->root_ = parser.Parse(document);
  if (schema->root_ == nullptr) return Invalid(parser.error());
  AppendPythonJson(schema->text_, document);
  return std::shared_ptr<const AvroSchema>(std::move(schema));
}

}  // namespace sidebus
