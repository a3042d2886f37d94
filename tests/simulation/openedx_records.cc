#include "tests/simulation/openedx_records.h"

#include "fmt/format.h"
#include "server/base/check.h"
#include "server/codec/confluent_frame.h"

namespace sidebus::simulation {
namespace {

constexpr std::size_t kMaxDataBytes = 40;

}  // namespace

std::vector<SubjectSchema> OpenedxSchemas() {
  std::vector<SubjectSchema> schemas;
  for (std::uint64_t kind = 0; kind < kOpenedxKinds; ++kind) {
    for (std::size_t size = 1; size <= kMaxDataBytes; ++size) {
      schemas.push_back(
          {"any", fmt::format(R"({{"type": "fixed", "name": "Data", "size": {}, "kind": {}}})",
                              size, kind)});
    }
  }
  return schemas;
}

Record OpenedxRecord(const std::string& type, const std::string& data,
                     const std::optional<std::string>& key, std::optional<std::uint64_t> kind) {
  SIDEBUS_CHECK(!data.empty() && data.size() <= kMaxDataBytes);
  const std::uint64_t id = kind.value_or(kOpenedxKinds) * kMaxDataBytes + data.size();
  return {.key = key,
          .value = ConfluentPrefix(SchemaId(static_cast<std::uint32_t>(id))) + data,
          .headers = {{"content-type", "application/avro"},
                      {"ce_type", type},
                      {"ce_id", "01234567-89ab-11ee-8c99-0242ac120002"}}};
}

}  // namespace sidebus::simulation
