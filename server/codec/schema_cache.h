#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/codec/answer_table.h"
#include "server/codec/outage_gate.h"
#include "server/codec/schema_registry.h"
#include "server/metrics/schema_metrics.h"

namespace sidebus {

// The kinds of questions that an AnswerTable keeps.
struct TextOfId {
  using Key = SchemaId;
  using Value = SchemaRegistry::Text;
  using Hash = absl::Hash<SchemaId>;
  static std::size_t Bytes(SchemaId) { return sizeof(SchemaId); }
  static std::size_t Bytes(const Value& text) { return text->size(); }
};
struct IdOfSchema {
  using Key = SubjectSchema;
  using Value = SchemaId;
  struct Hash {
    std::size_t operator()(const SubjectSchema& schema) const {
      const std::hash<std::string> hash;
      return hash(schema.subject) * 31 + hash(schema.text);
    }
  };
  static std::size_t Bytes(const Key& key) { return key.subject.size() + key.text.size(); }
  static std::size_t Bytes(SchemaId) { return sizeof(SchemaId); }
};

struct SchemaCacheOptions {
  // Of answers that are kept, for each kind of question.
  std::size_t max_entries = 2000;
  std::size_t max_bytes = 4 * 1024 * 1024;
  // Different questions that the registry is asked at a time, and what they take. One may always be
  // asked.
  std::size_t max_asked = 256;
  std::size_t max_asked_bytes = 4 * 1024 * 1024;
  // Callers that wait, all together.
  std::size_t max_waiting = 10'000;
};

// What is known of schemas, in front of a registry that is far away and may be down.
//
//   caller --Find...--> answer, at once: known, refused a short while ago, or the registry is down
//             |
//             +--> nothing yet: the registry is asked, once for all callers who ask the same;
//                  each is told when it answers
//
// An answer of the registry is kept until others push it out, for it never changes; what it refused
// for 10 s; a failure for a pause of 250 ms, then longer ones up to 5 s (AnswerTable). While the
// registry is down one question at a time finds out whether it still is, and all others fail at
// once (OutageGate). So an outage costs those who need something new an error at once, and others
// nothing.
//
// Errors: those of SchemaRegistry; REGISTRY_DOWN also when too many wait.
//
// Ownership: owns the registry, and ends it first: then all who wait are told.
// Thread safety: all methods may be called from any thread; none blocks. Waiters are called on a
// thread of the registry's, with no lock held, never from inside the call; they must not block.
class SchemaCache {
 public:
  using Text = SchemaRegistry::Text;
  template <typename T>
  using Later = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  // `clock` outlives it.
  SchemaCache(std::unique_ptr<SchemaRegistry> registry, const Clock& clock,
              SchemaCacheOptions options = {}, SchemaMetrics metrics = {});
  ~SchemaCache();

  // The methods of SchemaRegistry. They return the answer where it is there, and drop `later`.
  // nullopt: it is not, and `later` is called with it, exactly once.
  std::optional<absl::StatusOr<Text>> FindText(SchemaId id, Later<Text> later);
  std::optional<absl::StatusOr<SchemaId>> Register(const SubjectSchema& schema,
                                                   Later<SchemaId> later);
  std::optional<absl::StatusOr<SchemaId>> FindId(const SubjectSchema& schema,
                                                 Later<SchemaId> later);

  // Whether the registry does not answer, as far as is known.
  bool registry_down() const;

  // What answers and open questions take, about: at most 3 max_bytes and max_asked_bytes.
  std::size_t bytes() const;

 private:
  template <typename Kind>
  using TableOf = AnswerTable<Kind> SchemaCache::*;
  template <typename Kind>
  using AnswerTo = absl::StatusOr<typename Kind::Value>;

  // Answers from the table, or asks the registry by its method `ask`.
  template <typename Kind, typename Ask>
  std::optional<AnswerTo<Kind>> Find(TableOf<Kind> table, const typename Kind::Key& key,
                                     SchemaMetrics::Question& metrics,
                                     Later<typename Kind::Value> later, Ask ask);
  // The answer without the registry. nullopt: `later` was taken and waits for it, and unless `pass`
  // is kNone the registry is to be asked now.
  template <typename Kind>
  std::optional<AnswerTo<Kind>> FindOrWait(AnswerTable<Kind>& table, const typename Kind::Key& key,
                                           Later<typename Kind::Value>& later,
                                           OutageGate::Pass& pass)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether one question more would be too much.
  bool IsFull(std::size_t question_bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::size_t AskedBytes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  template <typename Kind>
  void OnAnswer(TableOf<Kind> table, const typename Kind::Key& key, OutageGate::Pass pass,
                const AnswerTo<Kind>& answer);

  const Clock& clock_;
  const SchemaCacheOptions options_;
  SchemaMetrics metrics_;
  mutable Mutex mu_;
  OutageGate gate_ ABSL_GUARDED_BY(mu_);
  AnswerTable<TextOfId> texts_ ABSL_GUARDED_BY(mu_);
  AnswerTable<IdOfSchema> registered_ ABSL_GUARDED_BY(mu_);
  AnswerTable<IdOfSchema> looked_up_ ABSL_GUARDED_BY(mu_);
  std::size_t waiting_ ABSL_GUARDED_BY(mu_) = 0;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  const std::unique_ptr<SchemaRegistry> registry_;  // last: it uses all of the above until its end
};

}  // namespace sidebus
