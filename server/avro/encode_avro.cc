#include "server/avro/encode_avro.h"

#include <simdjson.h>

#include <optional>

#include "fmt/format.h"
#include "server/avro/avro_writer.h"
#include "server/base/error.h"
#include "server/base/varint.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

// simdjson counts a container when it opens its first member, and refuses at the bound itself.
constexpr std::size_t kMaxDepth = 128 + 1;

// A parser keeps roughly fifteen times the largest text it has read. Up to this size it is kept for
// the thread, above it is made anew and freed.
constexpr std::size_t kMaxKeptBytes = 64 * 1024;

absl::Status InvalidJson(std::string_view why) {
  return MakeError(
      Reason::kEventInvalid,
      fmt::format("the data must be JSON, because it is encoded with a schema: {}", why),
      {{std::string(error_key::kField), "data"}});
}

absl::Status Parse(dom::parser& parser, std::string_view json, dom::element& root) {
  if (parser.max_depth() != kMaxDepth && parser.allocate(json.size(), kMaxDepth) != 0) {
    return InvalidJson("it is too large to be read");
  }
  switch (const auto error = parser.parse(json.data(), json.size()).get(root)) {
    case simdjson::SUCCESS:
      return absl::OkStatus();
    case simdjson::DEPTH_ERROR:
      return InvalidJson("it is nested over 128 deep");
    case simdjson::NUMBER_ERROR:
      return InvalidJson("it holds a number that is malformed or does not fit 64 bits");
    default:
      return InvalidJson(simdjson::error_message(error));
  }
}

// `root` was written with the key's schema: each part is there once or takes its default.
absl::Status WriteKey(dom::element root, const AvroFieldPath& path, std::size_t max_bytes,
                      std::string& out) {
  dom::element value = root;
  for (const std::string& part : path.parts()) {
    dom::object members;
    if (value.get(members) != simdjson::SUCCESS ||
        members.at_key(part).get(value) != simdjson::SUCCESS) {
      return MakeError(Reason::kKeyFieldMissing,
                       fmt::format("no record key: event_key_field \"{}\" does not exist in the "
                                   "data",
                                   path.text()),
                       {{std::string(error_key::kField), path.text()}});
    }
  }
  return AvroWriter(out, max_bytes).Write(value, path.type());
}

}  // namespace

absl::Status EncodeAvro(std::string_view json, const AvroSchema& schema, const AvroFieldPath* key,
                        std::size_t max_bytes, AvroOutput& out) {
  thread_local dom::parser kept_parser;
  std::optional<dom::parser> own_parser;
  if (json.size() > kMaxKeptBytes) own_parser.emplace();
  dom::element root;
  auto status = Parse(own_parser.has_value() ? *own_parser : kept_parser, json, root);
  if (!status.ok()) return status;

  status = AvroWriter(out.value, max_bytes).Write(root, schema.root());
  if (!status.ok() || key == nullptr) return status;
  return WriteKey(root, *key, max_bytes, out.key);
}

void AppendAvroString(std::string& out, std::string_view text) {
  AppendVarint(out, static_cast<std::int64_t>(text.size()));
  out += text;
}

}  // namespace sidebus
