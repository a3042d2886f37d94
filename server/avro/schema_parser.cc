#include "server/avro/schema_parser.h"

#include <algorithm>
#include <set>
#include <utility>

#include "fmt/format.h"
#include "server/avro/avro_writer.h"
#include "server/avro/python_json.h"
#include "server/avro/value_path.h"
#include "server/base/error.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxNameBytes = 255;

// Each value of a union may be compared with all of its branches.
constexpr std::size_t kMaxBranches = 256;

// A name without namespace, of a type, a field or a symbol.
bool IsName(std::string_view text) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !text.empty() && text.size() <= kMaxNameBytes && is_letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_letter(c) || is_digit(c); });
}

// Anything without blanks and control characters: Open edX has namespaces that the specification
// does not allow.
bool IsNamespace(std::string_view text) {
  return text.size() <= kMaxNameBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != 0x7f;
         });
}

std::optional<std::string_view> Text(dom::object object, std::string_view member) {
  std::string_view text;
  if (LastMember(object, member).get(text) != simdjson::SUCCESS) return std::nullopt;
  return text;
}

std::string FullName(std::string_view name, std::string_view space) {
  if (space.empty() || name.find('.') != std::string_view::npos) return std::string(name);
  return fmt::format("{}.{}", space, name);
}

// What a union may have once.
std::string BranchName(const AvroType& type) {
  return type.name.empty() ? std::string(NameOf(type.kind)) : type.name;
}

}  // namespace

SchemaParser::SchemaParser(std::deque<AvroType>& types) : types_(types) {
  for (std::size_t i = 0; i < kAvroPrimitives; ++i) {
    primitives_[i] = &NewType(static_cast<AvroKind>(i));
  }
}

AvroType& SchemaParser::NewType(AvroKind kind) {
  AvroType& type = types_.emplace_back();
  type.kind = kind;
  return type;
}

std::nullptr_t SchemaParser::Fail(std::string_view what) {
  error_ = what;
  if (!place_.empty()) {
    const std::string place = ValuePath::Shortened(fmt::format("{}", fmt::join(place_, ".")));
    error_ = fmt::format("at field `{}` {}", place, what);
  }
  return nullptr;
}

bool SchemaParser::FailField(std::string_view what) {
  Fail(what);
  return false;
}

const AvroType* SchemaParser::Parse(Element schema) {
  const AvroType* root = ParseType(schema, Scope());
  return root != nullptr && EncodeDefaults() ? root : nullptr;
}

const AvroType* SchemaParser::ParseType(Element schema, Scope scope) {
  if (++scope.depth > AvroSchema::kMaxDepth) {
    return Fail(fmt::format("is nested over {} deep", AvroSchema::kMaxDepth));
  }
  if (++type_count_ > AvroSchema::kMaxTypes) {
    return Fail(fmt::format("has over {} types", AvroSchema::kMaxTypes));
  }
  switch (schema.type()) {
    case dom::element_type::STRING:
      return ParseName(schema.get_string().value_unsafe(), scope);
    case dom::element_type::ARRAY:
      return ParseUnion(schema.get_array().value_unsafe(), scope);
    case dom::element_type::OBJECT:
      return ParseObject(schema.get_object().value_unsafe(), scope);
    default:
      return Fail("has a type that is neither a name, nor a list, nor an object");
  }
}

const AvroType* SchemaParser::ParseName(std::string_view name, Scope scope) {
  if (const auto primitive = PrimitiveOf(name)) {
    return primitives_[static_cast<std::size_t>(*primitive)];
  }
  const auto found = named_.find(FullName(name, scope.space));
  if (found != named_.end()) return found->second;
  const bool printable = IsNamespace(name);
  return Fail(fmt::format("refers to a type that was not defined before: {}",
                          printable ? name : "its name is no Avro name"));
}

const AvroType* SchemaParser::ParseUnion(dom::array branches, Scope scope) {
  AvroType& type = NewType(AvroKind::kUnion);
  std::set<std::string> names;
  for (const Element branch : branches) {
    const AvroType* parsed = ParseType(branch, scope);
    if (parsed == nullptr) return nullptr;
    if (parsed->kind == AvroKind::kUnion) return Fail("has a union directly in a union");
    const std::string name = BranchName(*parsed);
    if (!names.insert(name).second) return Fail(fmt::format("has a union with {} twice", name));
    type.parts.push_back(parsed);
  }
  if (type.parts.size() > kMaxBranches) {
    return Fail(fmt::format("has a union of over {} types", kMaxBranches));
  }
  if (type.parts.empty()) return Fail("has a union of nothing");
  return &type;
}

const AvroType* SchemaParser::ParseObject(Object schema, Scope scope) {
  Element type;
  if (LastMember(schema, "type").get(type) != simdjson::SUCCESS) return Fail("has no `type`");
  std::string_view name;
  if (type.get(name) != simdjson::SUCCESS) return ParseType(type, scope);
  if (name == "record") return ParseNamed(schema, AvroKind::kRecord, scope);
  if (name == "enum") return ParseNamed(schema, AvroKind::kEnum, scope);
  if (name == "fixed") return ParseNamed(schema, AvroKind::kFixed, scope);
  if (name == "array") return ParseContainer(schema, AvroKind::kArray, scope);
  if (name == "map") return ParseContainer(schema, AvroKind::kMap, scope);
  return ParseName(name, scope);
}

const AvroType* SchemaParser::ParseContainer(Object schema, AvroKind kind, Scope scope) {
  const std::string_view member = kind == AvroKind::kArray ? "items" : "values";
  Element held;
  if (LastMember(schema, member).get(held) != simdjson::SUCCESS) {
    return Fail(fmt::format("has an {} without `{}`", NameOf(kind), member));
  }
  AvroType& type = NewType(kind);
  type.parts.push_back(ParseType(held, scope));
  return type.parts.front() == nullptr ? nullptr : &type;
}

const AvroType* SchemaParser::ParseNamed(Object schema, AvroKind kind, Scope scope) {
  std::string_view name = Text(schema, "name").value_or("");
  if (const std::size_t dot = name.rfind('.'); dot != std::string_view::npos) {
    scope.space = name.substr(0, dot);
    name.remove_prefix(dot + 1);
  } else {
    scope.space = Text(schema, "namespace").value_or(scope.space);
  }
  if (!IsName(name)) return Fail(fmt::format("has a {} without an Avro name", NameOf(kind)));
  if (!IsNamespace(scope.space))
    return Fail("has a namespace with a blank or a control character, or a very long one");
  if (scope.space.empty() && PrimitiveOf(name).has_value()) {
    return Fail(fmt::format("gives another meaning to {}", name));
  }

  AvroType& type = NewType(kind);
  type.name = FullName(name, scope.space);
  if (!named_.emplace(type.name, &type).second) {
    return Fail(fmt::format("defines {} again", type.name));
  }
  const bool ok = kind == AvroKind::kRecord ? ParseFields(schema, type, scope)
                  : kind == AvroKind::kEnum ? ParseSymbols(schema, type)
                                            : ParseSize(schema, type);
  return ok ? &type : nullptr;
}

bool SchemaParser::ParseFields(Object schema, AvroType& record, Scope scope) {
  dom::array fields;
  if (LastMember(schema, "fields").get(fields) != simdjson::SUCCESS) {
    return FailField("has a record without a list `fields`");
  }
  for (const Element field : fields) {
    if (!ParseField(field, record, scope)) return false;
  }
  return true;
}

bool SchemaParser::ParseField(Element schema, AvroType& record, Scope scope) {
  Object members;
  Element type;
  if (schema.get(members) != simdjson::SUCCESS) return FailField("has a field that is no object");
  const std::string_view name = Text(members, "name").value_or("");
  if (!IsName(name)) return FailField("has a field without an Avro name");
  place_.push_back(name);
  if (LastMember(members, "type").get(type) != simdjson::SUCCESS) return FailField("has no `type`");
  if (!record.places.emplace(name, record.fields.size()).second) return FailField("is there twice");

  AvroField field;
  field.name = name;
  field.type = ParseType(type, scope);
  if (field.type == nullptr) return false;
  if (IsPrimitive(field.type->kind)) AppendPythonJson(field.text, schema);
  Element value;
  if (LastMember(members, "default").get(value) == simdjson::SUCCESS) {
    defaults_.push_back({&record, record.fields.size(), value});
  }
  record.fields.push_back(std::move(field));
  place_.pop_back();
  return true;
}

bool SchemaParser::ParseSymbols(Object schema, AvroType& type) {
  dom::array symbols;
  if (LastMember(schema, "symbols").get(symbols) != simdjson::SUCCESS) {
    return FailField("has an enum without a list `symbols`");
  }
  for (const Element symbol : symbols) {
    std::string_view name;
    if (symbol.get(name) != simdjson::SUCCESS || !IsName(name)) {
      return FailField("has an enum with a symbol that is no Avro name");
    }
    if (!type.places.emplace(name, type.symbols.size()).second) {
      return FailField("has an enum with a symbol twice");
    }
    type.symbols.emplace_back(name);
  }
  if (type.symbols.empty()) return FailField("has an enum without symbols");
  return true;
}

bool SchemaParser::ParseSize(Object schema, AvroType& type) {
  constexpr std::uint64_t kMaxSize = 1 << 20;
  std::uint64_t size = 0;
  if (LastMember(schema, "size").get(size) != simdjson::SUCCESS || size > kMaxSize) {
    return FailField(fmt::format("has a fixed whose `size` is not 0 to {}", kMaxSize));
  }
  type.size = size;
  return true;
}

// Inner types come first in `defaults_`, so that their defaults are there for the outer ones.
bool SchemaParser::EncodeDefaults() {
  std::size_t left = AvroSchema::kMaxTextBytes;
  for (const auto& [record, index, json] : defaults_) {
    std::string avro;
    AvroWriter writer(avro, left);
    const auto status = writer.Write(json, *record->fields[index].type);
    if (status.ok()) {
      left -= std::min(left, avro.size());
      record->fields[index].default_value = std::move(avro);
    } else if (ReasonOf(status) == Reason::kEventTooLarge) {
      return FailField("has defaults that are too large");
    }
  }
  for (AvroType& type : types_) {
    for (const AvroField& field : type.fields) type.required += field.default_value ? 0 : 1;
  }
  return true;
}

}  // namespace sidebus
