#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
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
  static constexpr std::size_t kMaxTextBytes = 1024 * 1024;  // of all texts

  explicit ParsedSchemas(std::size_t max_entries = kMaxEntries,
                         std::size_t max_text_bytes = kMaxTextBytes)
      : max_entries_(max_entries), max_text_bytes_(max_text_bytes) {}

  // EVENT_INVALID with field `schema`, as of AvroSchema::Parse(). Never null.
  absl::StatusOr<std::shared_ptr<OpenedxSchema>> Find(std::string_view text);

 private:
  struct Entry {
    std::string text;
    std::shared_ptr<OpenedxSchema> schema;
  };
  using Entries = std::list<Entry>;

  std::shared_ptr<OpenedxSchema> Touch(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::size_t max_entries_;
  const std::size_t max_text_bytes_;
  Mutex mu_;
  Entries entries_ ABSL_GUARDED_BY(mu_);  // the last used one first
  absl::flat_hash_map<std::string_view, Entries::iterator> by_text_ ABSL_GUARDED_BY(mu_);
  std::size_t text_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sidebus
