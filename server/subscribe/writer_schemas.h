#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/avro/avro_schema.h"
#include "server/base/clock.h"
#include "server/base/lru_map.h"
#include "server/base/mutex.h"
#include "server/codec/schema_cache.h"

namespace sidebus {

// The schemas that records were written with, by id, each of them parsed once for all subscriptions.
//
//   Find()    unknown ──Ask()──▶ known | refused | (registry down: unknown)
//                                known:    until others push it out; also a text that is no schema
//                                refused:  the registry has none. A registry may be behind another
//                                          one, so it is asked again after 10 s; only if it says so
//                                          again it is final. Forgotten after a minute.
//
// Bounded: what nobody found for longest is pushed out. A record needs two at a time, its value's and
// its key's: there must be room for two of the largest.
//
// Thread safety: all methods may be called from any thread; none blocks, nothing is called out with
// the lock held. Life: `cache` and `clock` outlive whoever calls Ask().
class WriterSchemas : public std::enable_shared_from_this<WriterSchemas> {
 public:
  using Schema = std::shared_ptr<const AvroSchema>;

  static constexpr Duration kAskAgain = std::chrono::seconds(10);
  static constexpr Duration kKeepRefusals = std::chrono::minutes(1);
  static constexpr std::size_t kMaxEntries = 512;
  static constexpr std::size_t kLeastBytes = 2 * AvroSchema::MemoryBytes(AvroSchema::kMaxTextBytes);

  // `max_bytes` is at least kLeastBytes; less counts as that.
  WriterSchemas(SchemaCache& cache, const Clock& clock, std::size_t max_bytes)
      : cache_(cache), clock_(clock), entries_(kMaxEntries, std::max(max_bytes, kLeastBytes)) {}

  struct Answer {
    Schema schema;           // null: there is none
    absl::Status error;      // then: why
    bool final = true;       // the answer stays
    SteadyTime ask_again{};  // else: not before
  };
  std::optional<Answer> Find(SchemaId id);

  // What they take, about.
  std::size_t bytes();

  // Gets to know it. OK: Find() has an answer now; else REGISTRY_DOWN. Returned where it is there;
  // nullopt: `later` is called with it once, on a thread of the registry's, with no lock held, never
  // from inside the call, or never when this is gone.
  std::optional<absl::Status> Ask(SchemaId id, absl::AnyInvocable<void(absl::Status)> later);

 private:
  struct Entry {
    absl::StatusOr<Schema> answer;
    std::optional<SteadyTime> first = {};  // refused: for the first time,
    SteadyTime last = {};                  // and for the last
  };

  absl::Status Note(SchemaId id, const absl::StatusOr<SchemaCache::Text>& answer);
  void Refuse(SchemaId id, const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Null: it is unknown, or refused so long ago that it is again.
  const Entry* Look(SchemaId id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  SchemaCache& cache_;
  const Clock& clock_;
  Mutex mu_;
  LruMap<SchemaId, Entry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
