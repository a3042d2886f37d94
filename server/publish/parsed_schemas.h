#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"
#include "server/base/lru_map.h"
#include "server/base/mutex.h"
#include "server/publish/openedx_schema.h"

namespace sidebus {

// The schemas that events bring along, parsed once for each text. Those that were not used for the
// longest time are forgotten beyond the bounds.
//
// Thread safety: all methods may be called from any thread. A text is parsed with no lock held.
// Cost of a text that is there: its hash, one comparison.
class ParsedSchemas {
 public:
  static constexpr std::size_t kMaxEntries = 256;

  // `max_bytes`: of all, as BytesOf() has it. The last one used is kept however large it is.
  explicit ParsedSchemas(std::size_t max_bytes, std::size_t max_entries = kMaxEntries)
      : schemas_(max_entries, max_bytes) {}

  // What a schema takes, about, with its text as the event had it and what is known of its routes.
  static constexpr std::size_t BytesOf(std::size_t text_bytes) {
    return AvroSchema::MemoryBytes(text_bytes) + 2 * text_bytes + 1000;
  }

  // EVENT_INVALID with field `schema`, as of AvroSchema::Parse(). Never null.
  absl::StatusOr<std::shared_ptr<OpenedxSchema>> Find(std::string_view text);

  std::size_t bytes();

 private:
  using Schemas = LruMap<std::string, std::shared_ptr<OpenedxSchema>, std::hash<std::string_view>>;

  Mutex mu_;
  Schemas schemas_ ABSL_GUARDED_BY(mu_);  // by text
};

}  // namespace sidebus
