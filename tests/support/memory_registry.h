#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/codec/schema_registry.h"

namespace sidebus {

// A schema registry in memory, for tests: no HTTP, and faults at a word.
//
// Answers are functions of `timers`, due at once or after the delay: with ManualTime they come in
// RunDue() or Advance(), with ThreadTimers on their thread. A text has the same id in all subjects;
// texts are told apart byte by byte. One that starts with neither `{`, `[` nor `"` is no schema.
//
// Thread safety: all methods may be called from any thread. `clock` and `timers` outlive it.
class MemoryRegistry final : public SchemaRegistry {
 public:
  MemoryRegistry(const Clock& clock, Timers& timers);
  ~MemoryRegistry() override;

  void FindText(SchemaId id, OnText done) override;
  void Register(SubjectSchema schema, OnId done) override;
  void FindId(SubjectSchema schema, OnId done) override;

  // As if somebody else had registered it.
  SchemaId Add(const SubjectSchema& schema);

  // What is asked while it is down is answered REGISTRY_DOWN.
  void SetDown(bool down);

  // From now on this question is answered REGISTRY_DOWN, as by a registry with a bug: a subject, or
  // an id in digits.
  void FailOn(const std::string& what);

  // New texts are refused under that subject, as incompatible with earlier ones.
  void Freeze(const std::string& subject);

  // How long answers take from now on.
  void SetDelay(Duration delay);

  // Each question so far: "find 1", "register subject", "lookup subject".
  std::vector<std::string> questions() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;
};

}  // namespace sidebus
