#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/codec/schema_cache.h"

namespace sidebus {

// The answer to one question for the id of a schema, for all events that wait for it.
//
// Thread safety: all methods may be called from any thread.
class SchemaAnswer {
 public:
  enum class State : std::uint8_t { kOpen, kKnown, kFailed };

  State state() const { return state_.load(std::memory_order_acquire); }

  SchemaId id() const { return *answer_; }                        // kKnown
  const absl::Status& error() const { return answer_.status(); }  // kFailed

  // Once.
  void Set(absl::StatusOr<SchemaId> answer);

 private:
  absl::StatusOr<SchemaId> answer_{SchemaId()};  // fixed when state_ is not kOpen
  std::atomic<State> state_{State::kOpen};
};

// One schema under one subject, and its id as soon as it is known. It is then kept, for it never
// changes.
//
// Thread safety: all methods may be called from any thread; none blocks.
class SubjectSchemaId : public std::enable_shared_from_this<SubjectSchemaId> {
 public:
  explicit SubjectSchemaId(SubjectSchema schema) : schema_(std::move(schema)) {}

  // What is there now: the id, or the answer that will come (it may be there by the time the caller
  // looks).
  struct Found {
    SchemaId id;
    std::shared_ptr<const SchemaAnswer> later;  // null: `id` is known
  };

  // Asks as `ask` does, for SchemaCache's Register() or FindId(). Events that come while a question
  // is open share it. Its error is the registry's, where that is known at once.
  using Later = SchemaCache::Later<SchemaId>;
  using Ask =
      absl::FunctionRef<std::optional<absl::StatusOr<SchemaId>>(const SubjectSchema&, Later)>;
  absl::StatusOr<Found> Find(Ask ask);

 private:
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

  const SubjectSchema schema_;
  std::atomic<std::uint64_t> id_{kUnknown};
  Mutex mu_;
  std::shared_ptr<const SchemaAnswer> open_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
