#include "server/codec/registry_messages.h"

#include <simdjson.h>

#include <limits>
#include <optional>
#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"
#include "server/base/json_text.h"
#include "server/base/utf8.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 16;  // registries nest three deep
constexpr std::size_t kMaxQuotedBytes = 400;

// What a body may say; what it does not say, or says in another type, is not there.
struct Body {
  std::optional<std::string> schema;
  std::optional<std::string> type;
  std::optional<std::uint64_t> id;
  std::optional<std::uint64_t> error_code;
  std::string message;
};

std::optional<std::string> TextAt(const dom::object& object, std::string_view name) {
  std::string_view text;
  if (object[name].get(text) != simdjson::SUCCESS) return std::nullopt;
  return std::string(text);
}

std::optional<std::uint64_t> NumberAt(const dom::object& object, std::string_view name) {
  std::uint64_t number = 0;
  if (object[name].get(number) != simdjson::SUCCESS) return std::nullopt;
  return number;
}

// nullopt: it is no JSON object.
std::optional<Body> ReadBody(std::string_view body) {
  dom::parser parser;
  dom::object object;
  if (body.empty() || parser.allocate(body.size(), kMaxDepth) != simdjson::SUCCESS ||
      parser.parse(body.data(), body.size()).get(object) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return Body{TextAt(object, "schema"), TextAt(object, "schemaType"), NumberAt(object, "id"),
              NumberAt(object, "error_code"), TextAt(object, "message").value_or("")};
}

// As a part of a line: cut, without control characters.
std::string Quoted(std::string_view message) {
  std::string quoted;
  AppendJsonEscaped(quoted, CutUtf8(message, kMaxQuotedBytes));
  return quoted.empty() ? "it says no more" : quoted;
}

std::string_view WhatItMeans(int status) {
  if (status >= 300 && status < 400) {
    return "it redirects, which is not followed: set schema_registry.url to where it leads";
  }
  switch (status) {
    case 401:
      return "it refuses the credentials: check schema_registry.username_file and password_file";
    case 403:
      return "it does not allow that with these credentials: check their permissions there";
    case 404:
      return "it does not know the path: check the path in schema_registry.url";
    case 429:
      return "it is asked too often";
    default:
      return status >= 500 ? "it failed: look at its log"
                           : "that is no answer of a schema registry: check schema_registry.url";
  }
}

absl::Status Down(std::string_view what) {
  return MakeError(Reason::kRegistryDown, fmt::format("schema registry: {}", what));
}

absl::Status DownWith(int status) {
  return Down(fmt::format("HTTP status {}: {}", status, WhatItMeans(status)));
}

// Confluent's registry takes a larger id for another path, and has none there.
bool IsGivenOut(std::uint64_t id) {
  return id > 0 && id <= std::numeric_limits<std::int32_t>::max();
}

bool IsNotFound(int status, const std::optional<Body>& body) {
  return status == 404 && body.has_value() && body->error_code.value_or(0) / 100 == 404;
}

bool IsRefused(int status, const std::optional<Body>& body) {
  if (status == 409 || status == 413) return true;
  return (status == 422 || status == 400) && body.has_value() && body->error_code.has_value();
}

absl::Status Refused(std::string_view subject, int status, const std::optional<Body>& body) {
  const std::string message = Quoted(body.has_value() ? body->message : "");
  const std::string_view what = status == 409   ? "is not compatible with its earlier versions"
                                : status == 413 ? "is too large for the schema registry"
                                                : "is refused by the schema registry";
  return MakeError(Reason::kSchemaIncompatible,
                   fmt::format("the schema for subject \"{}\" {}: {}", subject, what, message));
}

absl::StatusOr<SchemaId> ReadId(std::string_view subject, int status,
                                const std::optional<Body>& body) {
  if (IsRefused(status, body)) return Refused(subject, status, body);
  if (status != 200) return DownWith(status);
  if (!body.has_value() || !IsGivenOut(body->id.value_or(0))) {
    return Down("its answer has no schema id: check schema_registry.url");
  }
  return SchemaId(static_cast<std::uint32_t>(*body->id));
}

}  // namespace

std::string SchemaRequestBody(std::string_view text) {
  return fmt::format(R"({{"schema":{}}})", JsonString(text));
}

absl::StatusOr<SchemaRegistry::Text> ReadTextAnswer(SchemaId id, int status,
                                                    std::string_view body) {
  std::optional<Body> answer = ReadBody(body);
  if (IsNotFound(status, answer) || (status == 404 && !IsGivenOut(id.value()))) {
    return MakeError(Reason::kSchemaMissing,
                     fmt::format("the schema registry has no schema with id {}", id.value()));
  }
  if (status != 200) return DownWith(status);
  if (!answer.has_value() || !answer->schema.has_value()) {
    return Down("its answer has no schema text: check schema_registry.url");
  }
  if (answer->type.value_or("AVRO") != "AVRO") {
    return MakeError(Reason::kSchemaMissing,
                     fmt::format("the schema with id {} is no Avro schema, but {}", id.value(),
                                 Quoted(*answer->type)));
  }
  return std::make_shared<const std::string>(*std::move(answer->schema));
}

absl::StatusOr<SchemaId> ReadRegisterAnswer(std::string_view subject, int status,
                                            std::string_view body) {
  return ReadId(subject, status, ReadBody(body));
}

absl::StatusOr<SchemaId> ReadFindIdAnswer(std::string_view subject, int status,
                                          std::string_view body) {
  const std::optional<Body> answer = ReadBody(body);
  if (IsNotFound(status, answer)) {
    return MakeError(Reason::kSchemaIncompatible,
                     fmt::format("the schema is not registered under subject \"{}\": register it "
                                 "there first",
                                 subject));
  }
  return ReadId(subject, status, answer);
}

absl::StatusOr<std::set<std::string>> ReadSubjectsAnswer(int status, std::string_view body) {
  if (status != 200) return DownWith(status);
  dom::parser parser;
  dom::array names;
  const bool is_list = !body.empty() &&
                       parser.allocate(body.size(), kMaxDepth) == simdjson::SUCCESS &&
                       parser.parse(body.data(), body.size()).get(names) == simdjson::SUCCESS;
  if (!is_list) return Down("its answer is no list of subjects: check schema_registry.url");
  std::set<std::string> subjects;
  for (const dom::element element : names) {
    std::string_view name;
    if (element.get(name) == simdjson::SUCCESS) subjects.emplace(name);
  }
  return subjects;
}

}  // namespace sidebus
