#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/codec/schema_cache.h"
#include "server/publish/openedx_options.h"
#include "server/routing/router.h"

namespace sidebus {

// What the enabled routes need to be registered for the gateway's own schemas: of each the key's,
// then the value's, each once. A route whose key field cannot be a key needs nothing: its events are
// refused.
std::vector<SubjectSchema> SubjectSchemasOf(const Router& router, const OpenedxSchemas& schemas);

// Registers schemas when the gateway starts, so that the first event finds their ids. A registry
// that is down is asked again after 1 s, then longer pauses up to 30 s, for as long as it takes;
// what it refuses is logged and left, and stops no other schema.
//
// Bounded: the schemas of the configuration; 16 questions at a time, after a failure one.
// Life: shared with its own timers and questions. Stop() before `cache` is gone.
// Thread safety: all methods may be called from any thread; none blocks. SchemaCache is asked with
// the lock held: it answers later, or in the result.
class SchemaLoader : public std::enable_shared_from_this<SchemaLoader> {
 public:
  static constexpr Duration kMinPause = std::chrono::seconds(1);
  static constexpr Duration kMaxPause = std::chrono::seconds(30);

  // `clock` and `timers` outlive it.
  static std::shared_ptr<SchemaLoader> Start(const std::vector<SubjectSchema>& schemas,
                                             SchemaCache& cache, const Clock& clock,
                                             Timers& timers);

  // From now on the cache is not asked any more.
  void Stop();

  struct Progress {
    std::size_t waiting = 0;  // neither registered nor refused
    std::size_t refused = 0;
  };
  Progress progress() const;

 private:
  SchemaLoader(const std::vector<SubjectSchema>& schemas, SchemaCache& cache, const Clock& clock,
               Timers& timers)
      : cache_(cache), clock_(clock), timers_(timers), queue_(schemas.begin(), schemas.end()) {}

  void Ask() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Note(const SubjectSchema& schema, const absl::Status& answer)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Pause(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  SchemaCache& cache_;
  const Clock& clock_;
  Timers& timers_;
  mutable Mutex mu_;
  std::deque<SubjectSchema> queue_ ABSL_GUARDED_BY(mu_);  // not asked for
  std::size_t asked_ ABSL_GUARDED_BY(mu_) = 0;
  std::size_t registered_ ABSL_GUARDED_BY(mu_) = 0;
  std::size_t refused_ ABSL_GUARDED_BY(mu_) = 0;
  Duration pause_ ABSL_GUARDED_BY(mu_){0};  // the last one, after failures in a row
  bool paused_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace sidebus
