#include "tests/server/avro/openedx_vectors.h"

#include <simdjson.h>

#include <algorithm>
#include <stdexcept>

#include "server/avro/python_json.h"

namespace sidebus {
namespace {

namespace dom = simdjson::dom;

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

std::vector<OpenedxVector> Read() {
  dom::parser parser;
  const dom::element file =
      parser.load(SIDEBUS_SOURCE_DIR "/tests/server/avro/data/openedx_vectors.json");
  std::vector<OpenedxVector> all;
  for (const dom::element event : file["events"].get_array()) {
    OpenedxVector& vector = all.emplace_back();
    vector.event_type = std::string_view(event["event_type"]);
    vector.schema = simdjson::minify(dom::element(event["schema"]));
    vector.sorted_schema = std::string_view(event["schema_string_sorted"]);
    vector.schema_file = std::string_view(event["stored_schema_file"]);
    vector.equals_stored = bool(event["generated_equals_stored"]);
    for (const auto& [name, sample] : dom::object(event["vectors"])) {
      vector.samples.push_back({std::string(name), simdjson::minify(dom::element(sample["record"])),
                                FromHex(sample["avro_hex"])});
    }
  }
  return all;
}

}  // namespace

const std::vector<OpenedxVector>& OpenedxVectors() {
  static const std::vector<OpenedxVector> all = Read();
  return all;
}

const OpenedxVector& OpenedxVectorOf(std::string_view event_type) {
  for (const OpenedxVector& vector : OpenedxVectors()) {
    if (vector.event_type == event_type) return vector;
  }
  throw std::out_of_range(std::string(event_type));
}

std::string Normalized(std::string_view json) {
  dom::parser parser;
  std::string text;
  AppendPythonJson(text, parser.parse(json.data(), json.size()));
  return text;
}

}  // namespace sidebus
