#pragma once

#include <string>
#include <vector>

namespace sidebus {

// What openedx-events 11.2.0 made of 52 of its events, as observed (data/openedx_vectors.json).
struct OpenedxVector {
  struct Sample {
    std::string name;  // full, minimal
    std::string json;
    std::string avro;
  };

  std::string event_type;
  std::string schema;         // in the order of Python's dict, without blanks
  std::string sorted_schema;  // as it is registered
  std::string schema_file;
  bool equals_stored = true;  // false: the schema has changed since its first version
  std::vector<Sample> samples;
};

const std::vector<OpenedxVector>& OpenedxVectors();

const OpenedxVector& OpenedxVectorOf(std::string_view event_type);

// JSON text in one form, for comparing what it means.
std::string Normalized(std::string_view json);

}  // namespace sidebus
