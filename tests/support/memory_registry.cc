#include "tests/support/memory_registry.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "server/base/error.h"
#include "server/base/mutex.h"

namespace sidebus {
namespace {

absl::Status Down() { return MakeError(Reason::kRegistryDown, "schema registry: it is down"); }

absl::Status Refused(const std::string& subject, const std::string& why) {
  return MakeError(Reason::kSchemaIncompatible,
                   fmt::format("the schema for subject \"{}\" {}", subject, why));
}

bool LooksLikeASchema(const std::string& text) {
  return !text.empty() && std::string_view("{[\"").find(text.front()) != std::string_view::npos;
}

}  // namespace

struct MemoryRegistry::State : std::enable_shared_from_this<MemoryRegistry::State> {
  // Answers, with a failure or with what it finds.
  using Open = absl::AnyInvocable<void(const absl::Status& failure)>;

  State(const Clock& a_clock, Timers& some_timers) : clock(a_clock), timers(some_timers) {}

  // `what` is asked for; `find` is run with the lock held.
  template <typename T, typename Find>
  void Ask(const std::string& verb, const std::string& what, Find find,
           absl::AnyInvocable<void(absl::StatusOr<T>)> done) {
    Open answer = [this, find = std::move(find),
                   done = std::move(done)](const absl::Status& failure) mutable {
      if (!failure.ok()) return done(failure);
      done([&] {
        MutexLock lock(mu);
        return find();
      }());
    };
    MutexLock lock(mu);
    questions.push_back(verb + " " + what);
    const std::uint64_t number = ++last_number;
    const absl::Status failure = down || buggy.contains(what) ? Down() : absl::OkStatus();
    open.emplace(number, std::move(answer));
    timers.At(clock.Now() + delay, [weak = weak_from_this(), number, failure] {
      if (const auto state = weak.lock(); state != nullptr) state->Answer(number, failure);
    });
  }

  void Answer(std::uint64_t number, const absl::Status& failure) {
    std::map<std::uint64_t, Open>::node_type one;
    {
      MutexLock lock(mu);
      one = open.extract(number);
      ++answering;
    }
    if (!one.empty()) one.mapped()(failure);
    one = {};
    MutexLock lock(mu);
    --answering;
    answered.NotifyAll();
  }

  void AnswerAll(const absl::Status& failure) {
    for (;;) {
      std::uint64_t number = 0;
      {
        MutexLock lock(mu);
        if (open.empty()) return;
        number = open.begin()->first;
      }
      Answer(number, failure);
    }
  }

  // Another thread may have taken a question to answer it.
  void WaitForAnswers() {
    MutexLock lock(mu);
    while (answering > 0) answered.Wait(mu);
  }

  SchemaId Add(const SubjectSchema& schema) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto next = static_cast<std::uint32_t>(ids.size() + 1);
    const SchemaId id = ids.emplace(schema.text, SchemaId(next)).first->second;
    texts.emplace(id, std::make_shared<const std::string>(schema.text));
    versions.emplace(schema.subject, schema.text);
    return id;
  }

  bool Has(const SubjectSchema& schema) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    return versions.contains({schema.subject, schema.text});
  }

  const Clock& clock;
  Timers& timers;
  Mutex mu;
  bool down ABSL_GUARDED_BY(mu) = false;
  Duration delay ABSL_GUARDED_BY(mu){0};
  std::set<std::string> buggy ABSL_GUARDED_BY(mu);
  std::set<std::string> frozen ABSL_GUARDED_BY(mu);
  std::vector<std::string> questions ABSL_GUARDED_BY(mu);
  std::uint64_t last_number ABSL_GUARDED_BY(mu) = 0;
  std::map<std::uint64_t, Open> open ABSL_GUARDED_BY(mu);
  int answering ABSL_GUARDED_BY(mu) = 0;  // answers that are being given
  CondVar answered;
  std::map<std::string, SchemaId> ids ABSL_GUARDED_BY(mu);
  std::map<SchemaId, Text> texts ABSL_GUARDED_BY(mu);
  std::set<std::pair<std::string, std::string>> versions ABSL_GUARDED_BY(mu);  // subject, text
};

MemoryRegistry::MemoryRegistry(const Clock& clock, Timers& timers)
    : state_(std::make_shared<State>(clock, timers)) {}

MemoryRegistry::~MemoryRegistry() {
  state_->AnswerAll(Down());
  state_->WaitForAnswers();
}

void MemoryRegistry::FindText(SchemaId id, OnText done) {
  State& state = *state_;
  const auto find = [&state, id]() -> absl::StatusOr<Text> {
    state.mu.AssertHeld();
    const auto found = state.texts.find(id);
    if (found != state.texts.end()) return found->second;
    return MakeError(Reason::kSchemaMissing, fmt::format("no schema has id {}", id.value()));
  };
  state.Ask<Text>("find", std::to_string(id.value()), find, std::move(done));
}

void MemoryRegistry::Register(SubjectSchema schema, OnId done) {
  State& state = *state_;
  const auto find = [&state, schema]() -> absl::StatusOr<SchemaId> {
    state.mu.AssertHeld();
    if (!LooksLikeASchema(schema.text)) return Refused(schema.subject, "is no schema");
    if (state.frozen.contains(schema.subject) && !state.Has(schema)) {
      return Refused(schema.subject, "is not compatible with its earlier versions");
    }
    return state.Add(schema);
  };
  state.Ask<SchemaId>("register", schema.subject, find, std::move(done));
}

void MemoryRegistry::FindId(SubjectSchema schema, OnId done) {
  State& state = *state_;
  const auto find = [&state, schema]() -> absl::StatusOr<SchemaId> {
    state.mu.AssertHeld();
    if (!state.Has(schema)) return Refused(schema.subject, "is not registered");
    return state.ids.at(schema.text);
  };
  state.Ask<SchemaId>("lookup", schema.subject, find, std::move(done));
}

SchemaId MemoryRegistry::Add(const SubjectSchema& schema) {
  MutexLock lock(state_->mu);
  return state_->Add(schema);
}

void MemoryRegistry::SetDown(bool down) {
  MutexLock lock(state_->mu);
  state_->down = down;
}

void MemoryRegistry::FailOn(const std::string& what) {
  MutexLock lock(state_->mu);
  state_->buggy.insert(what);
}

void MemoryRegistry::Freeze(const std::string& subject) {
  MutexLock lock(state_->mu);
  state_->frozen.insert(subject);
}

void MemoryRegistry::SetDelay(Duration delay) {
  MutexLock lock(state_->mu);
  state_->delay = delay;
}

std::vector<std::string> MemoryRegistry::questions() const {
  MutexLock lock(state_->mu);
  return state_->questions;
}

}  // namespace sidebus
