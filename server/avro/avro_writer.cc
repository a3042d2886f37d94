#include "server/avro/avro_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "fmt/format.h"
#include "server/avro/json_kinds.h"
#include "server/base/error.h"
#include "server/base/varint.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

// Least significant byte first.
template <typename Bits>
std::array<char, sizeof(Bits)> LittleEndian(Bits bits) {
  std::array<char, sizeof(Bits)> bytes{};
  for (char& byte : bytes) {
    byte = static_cast<char>(bits & 0xff);
    bits >>= 8;
  }
  return bytes;
}

template <std::size_t size>
std::string_view View(const std::array<char, size>& bytes) {
  return {bytes.data(), bytes.size()};
}

absl::Status TooLarge(std::size_t limit) {
  return MakeError(Reason::kEventTooLarge,
                   fmt::format("the data has over {} bytes when it is encoded as Avro", limit),
                   {{std::string(error_key::kLimit), std::to_string(limit)}});
}

}  // namespace

absl::Status AvroWriter::Write(Element value, const AvroType& type) {
  error_ = absl::OkStatus();
  slots_.clear();
  if (!WriteValue(value, type, nullptr)) return error_;
  return absl::OkStatus();
}

bool AvroWriter::Append(std::string_view bytes) {
  const std::size_t cost = std::max<std::size_t>(1, bytes.size());
  if (cost > left_) {
    error_ = TooLarge(max_bytes_);
    return false;
  }
  left_ -= cost;
  out_ += bytes;
  return true;
}

bool AvroWriter::AppendLong(std::int64_t number) {
  if (left_ < kMaxVarintBytes) {
    error_ = TooLarge(max_bytes_);
    return false;
  }
  const std::size_t before = out_.size();
  AppendVarint(out_, number);
  left_ -= out_.size() - before;
  return true;
}

bool AvroWriter::AppendSized(std::string_view bytes) {
  return AppendLong(static_cast<std::int64_t>(bytes.size())) && (bytes.empty() || Append(bytes));
}

bool AvroWriter::Mismatch(const ValuePath* path, const AvroType& type, std::string_view found) {
  const std::string place = ValuePath::TextOf(path);
  error_ = MakeError(Reason::kSchemaMismatch,
                     fmt::format("the data does not fit its schema: {}{}expected {}, found {}",
                                 place, place.empty() ? "" : ": ", type.Describe(), found),
                     {{std::string(error_key::kField), place}});
  return false;
}

bool AvroWriter::Mismatch(const ValuePath* path, const AvroType& type, Element found) {
  return Mismatch(path, type, JsonKindName(found));
}

bool AvroWriter::WriteValue(Element value, const AvroType& type, const ValuePath* path) {
  switch (type.kind) {
    case AvroKind::kNull:
      return value.is_null() ? Append({}) : Mismatch(path, type, value);
    case AvroKind::kBoolean: {
      bool truth = false;
      if (value.get(truth) != simdjson::SUCCESS) return Mismatch(path, type, value);
      return Append(truth ? std::string_view("\1", 1) : std::string_view("\0", 1));
    }
    case AvroKind::kInt:
    case AvroKind::kLong:
      return WriteInteger(value, type, path);
    case AvroKind::kFloat:
    case AvroKind::kDouble:
      return WriteFraction(value, type, path);
    case AvroKind::kBytes:
    case AvroKind::kFixed:
      return WriteBytes(value, type, path);
    case AvroKind::kString:
    case AvroKind::kEnum:
      return WriteText(value, type, path);
    case AvroKind::kRecord:
      return WriteRecord(value, type, path);
    case AvroKind::kArray:
      return WriteArray(value, type, path);
    case AvroKind::kMap:
      return WriteMap(value, type, path);
    case AvroKind::kUnion:
      return WriteUnion(value, type, path);
  }
  return Mismatch(path, type, value);
}

bool AvroWriter::WriteInteger(Element value, const AvroType& type, const ValuePath* path) {
  std::int64_t number = 0;
  if (value.is_uint64() && !value.is_int64()) {
    return Mismatch(path, type, "an integer of more than 64 bits");
  }
  if (value.get(number) != simdjson::SUCCESS) return Mismatch(path, type, value);
  if (type.kind == AvroKind::kInt && !FitsInt(number)) {
    return Mismatch(path, type, "an integer of more than 32 bits");
  }
  return AppendLong(number);
}

bool AvroWriter::WriteFraction(Element value, const AvroType& type, const ValuePath* path) {
  const auto number = NumberOf(value);
  if (!number.has_value()) return Mismatch(path, type, value);
  if (type.kind == AvroKind::kDouble) {
    return Append(View(LittleEndian(std::bit_cast<std::uint64_t>(*number))));
  }
  if (std::isfinite(*number) && std::abs(*number) > std::numeric_limits<float>::max()) {
    return Mismatch(path, type, "a larger number");
  }
  return Append(View(LittleEndian(std::bit_cast<std::uint32_t>(static_cast<float>(*number)))));
}

bool AvroWriter::WriteBytes(Element value, const AvroType& type, const ValuePath* path) {
  const auto bytes = BytesOf(value);
  if (!bytes.has_value()) {
    return Mismatch(
        path, type,
        value.is_string() ? "a string with a character above U+00FF" : JsonKindName(value));
  }
  if (type.kind == AvroKind::kBytes) return AppendSized(*bytes);
  if (bytes->size() != type.size) return Mismatch(path, type, "another number of bytes");
  return Append(*bytes);
}

bool AvroWriter::WriteText(Element value, const AvroType& type, const ValuePath* path) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return Mismatch(path, type, value);
  if (type.kind == AvroKind::kString) return AppendSized(text);
  const auto symbol = type.places.find(text);
  if (symbol == type.places.end()) return Mismatch(path, type, "a string that is none of it");
  return AppendLong(static_cast<std::int64_t>(symbol->second));
}

bool AvroWriter::WriteRecord(Element value, const AvroType& type, const ValuePath* path) {
  Object members;
  if (value.get(members) != simdjson::SUCCESS) return Mismatch(path, type, value);
  const std::size_t fields = type.fields.size();
  const std::size_t base = slots_.size();
  slots_.resize(base + fields);
  std::size_t next = 0;  // most data has its members in the order of the schema
  for (const auto& [name, member] : members) {
    std::size_t at = next;
    if (at >= fields || type.fields[at].name != name) {
      const auto found = type.places.find(name);
      if (found == type.places.end()) continue;
      at = found->second;
    }
    const ValuePath here{path, type.fields[at].name};
    if (slots_[base + at].has_value()) {
      return Mismatch(&here, *type.fields[at].type, "it twice");
    }
    slots_[base + at] = member;
    next = at + 1;
  }

  for (std::size_t i = 0; i < fields; ++i) {
    const AvroField& field = type.fields[i];
    const ValuePath here{path, field.name};
    const std::optional<Element> member = slots_[base + i];
    if (member.has_value()) {
      if (!WriteValue(*member, *field.type, &here)) return false;
    } else if (field.default_value.has_value()) {
      if (!Append(*field.default_value)) return false;
    } else {
      return Mismatch(&here, *field.type, "nothing");
    }
  }
  slots_.resize(base);
  return true;
}

bool AvroWriter::WriteArray(Element value, const AvroType& type, const ValuePath* path) {
  dom::array items;
  if (value.get(items) != simdjson::SUCCESS) return Mismatch(path, type, value);
  std::int64_t count = 0;  // not size(), which ends at 2^24
  for ([[maybe_unused]] const Element item : items) ++count;
  if (count > 0 && !AppendLong(count)) return false;
  ValuePath here{path, {}, 0};
  for (const Element item : items) {
    if (!WriteValue(item, *type.parts.front(), &here)) return false;
    ++here.item;
  }
  return AppendLong(0);
}

bool AvroWriter::WriteMap(Element value, const AvroType& type, const ValuePath* path) {
  Object members;
  if (value.get(members) != simdjson::SUCCESS) return Mismatch(path, type, value);
  std::int64_t count = 0;
  for ([[maybe_unused]] const auto& member : members) ++count;
  if (count > 0 && !AppendLong(count)) return false;
  ValuePath here{path, {}, 0};
  for (const auto& [name, member] : members) {
    if (!AppendSized(name) || !WriteValue(member, *type.parts.front(), &here)) return false;
    ++here.item;
  }
  return AppendLong(0);
}

bool AvroWriter::WriteUnion(Element value, const AvroType& type, const ValuePath* path) {
  const auto branch = ChooseBranch(value, type);
  if (!branch.has_value()) return error_.ok() ? Mismatch(path, type, value) : false;
  return AppendLong(static_cast<std::int64_t>(*branch)) &&
         WriteValue(value, *type.parts[*branch], path);
}

std::optional<std::size_t> AvroWriter::ChooseBranch(Element value, const AvroType& type) {
  if (value.is_object()) return ChooseContainer(value.get_object().value_unsafe(), type);
  std::optional<std::size_t> wider;
  for (std::size_t i = 0; i < type.parts.size(); ++i) {
    switch (FitOf(value, *type.parts[i])) {
      case JsonFit::kExact:
        return i;
      case JsonFit::kWider:
        if (!wider.has_value()) wider = i;
        break;
      case JsonFit::kNone:
        break;
    }
  }
  return wider;
}

// A map takes any object. Of several records the first is taken whose required fields are all
// there; a single one needs no look, and says better what is missing.
std::optional<std::size_t> AvroWriter::ChooseContainer(Object value, const AvroType& type) {
  std::optional<std::size_t> only;
  std::size_t count = 0;
  for (std::size_t i = 0; i < type.parts.size(); ++i) {
    const AvroKind kind = type.parts[i]->kind;
    if (kind != AvroKind::kRecord && kind != AvroKind::kMap) continue;
    only = i;
    ++count;
  }
  if (count <= 1) return only;
  for (std::size_t i = 0; i < type.parts.size(); ++i) {
    const AvroType& branch = *type.parts[i];
    if (branch.kind == AvroKind::kMap) return i;
    if (branch.kind == AvroKind::kRecord && HasRequiredFields(value, branch)) return i;
    if (!error_.ok()) return std::nullopt;
  }
  return std::nullopt;
}

bool AvroWriter::HasRequiredFields(Object value, const AvroType& record) {
  if (!Append({})) return false;
  std::size_t found = 0;
  for (const auto& [name, member] : value) {
    if (!Append({})) return false;
    const auto place = record.places.find(name);
    if (place != record.places.end() && !record.fields[place->second].default_value.has_value()) {
      ++found;
    }
  }
  return found >= record.required;
}

}  // namespace sidebus
