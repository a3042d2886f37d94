#include "server/codec/schema_cache.h"

#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/base/log.h"

namespace sidebus {
namespace {

bool IsDown(const absl::Status& status) {
  return !status.ok() && ReasonOf(status) == Reason::kRegistryDown;
}

absl::Status TooMuch() {
  return MakeError(Reason::kRegistryDown,
                   "schema registry: too many questions wait for its answer: try again");
}

}  // namespace

SchemaCache::SchemaCache(std::unique_ptr<SchemaRegistry> registry, const Clock& clock,
                         SchemaCacheOptions options, SchemaMetrics metrics)
    : clock_(clock),
      options_(options),
      metrics_(metrics),
      texts_(options.max_entries, options.max_bytes),
      registered_(options.max_entries, options.max_bytes),
      looked_up_(options.max_entries, options.max_bytes),
      registry_(std::move(registry)) {}

SchemaCache::~SchemaCache() {
  MutexLock lock(mu_);
  ending_ = true;  // what the registry answers from now on is no outage
}

std::optional<absl::StatusOr<SchemaCache::Text>> SchemaCache::FindText(SchemaId id,
                                                                       Later<Text> later) {
  return Find(&SchemaCache::texts_, id, metrics_.find, std::move(later), &SchemaRegistry::FindText);
}

std::optional<absl::StatusOr<SchemaId>> SchemaCache::Register(const SubjectSchema& schema,
                                                              Later<SchemaId> later) {
  return Find(&SchemaCache::registered_, schema, metrics_.registering, std::move(later),
              &SchemaRegistry::Register);
}

std::optional<absl::StatusOr<SchemaId>> SchemaCache::FindId(const SubjectSchema& schema,
                                                            Later<SchemaId> later) {
  return Find(&SchemaCache::looked_up_, schema, metrics_.lookup, std::move(later),
              &SchemaRegistry::FindId);
}

bool SchemaCache::registry_down() const {
  MutexLock lock(mu_);
  return gate_.down();
}

std::size_t SchemaCache::bytes() const {
  MutexLock lock(mu_);
  return texts_.bytes() + registered_.bytes() + looked_up_.bytes() + AskedBytes();
}

std::size_t SchemaCache::AskedBytes() const {
  return texts_.asked_bytes() + registered_.asked_bytes() + looked_up_.asked_bytes();
}

bool SchemaCache::IsFull(std::size_t question_bytes) const {
  const std::size_t asked = texts_.asked() + registered_.asked() + looked_up_.asked();
  if (asked == 0) return false;
  return asked >= options_.max_asked || AskedBytes() + question_bytes > options_.max_asked_bytes;
}

template <typename Kind, typename Ask>
std::optional<SchemaCache::AnswerTo<Kind>> SchemaCache::Find(TableOf<Kind> table,
                                                             const typename Kind::Key& key,
                                                             SchemaMetrics::Question& metrics,
                                                             Later<typename Kind::Value> later,
                                                             Ask ask) {
  OutageGate::Pass pass = OutageGate::Pass::kNone;
  std::optional<AnswerTo<Kind>> known;
  {
    MutexLock lock(mu_);
    known = FindOrWait(this->*table, key, later, pass);
  }
  if (known.has_value()) {
    (IsDown(known->status()) ? metrics.error : metrics.hit).Increment();
  } else if (pass == OutageGate::Pass::kNone) {
    metrics.hit.Increment();
  } else {
    ((*registry_).*ask)(key, [this, table, key, pass](const AnswerTo<Kind>& answer) {
      OnAnswer(table, key, pass, answer);
    });
  }
  return known;
}

template <typename Kind>
std::optional<SchemaCache::AnswerTo<Kind>> SchemaCache::FindOrWait(
    AnswerTable<Kind>& table, const typename Kind::Key& key, Later<typename Kind::Value>& later,
    OutageGate::Pass& pass) {
  const SteadyTime now = clock_.Now();
  // While the registry is down the gate alone says who asks: this may be the only question there is.
  auto known = table.Find(key, now);
  if (known.has_value() && !(gate_.down() && IsDown(known->status()))) return known;
  if (waiting_ >= options_.max_waiting) return TooMuch();
  if (!table.IsAsked(key)) {
    if (IsFull(AnswerTable<Kind>::AskedBytes(key))) return TooMuch();
    pass = gate_.Enter(now);
    if (pass == OutageGate::Pass::kNone) return gate_.why();
  }
  table.Wait(key, std::move(later));
  ++waiting_;
  return std::nullopt;
}

template <typename Kind>
void SchemaCache::OnAnswer(TableOf<Kind> table, const typename Kind::Key& key,
                           OutageGate::Pass pass, const AnswerTo<Kind>& answer) {
  std::vector<Later<typename Kind::Value>> waiters;
  bool turned = false;
  {
    MutexLock lock(mu_);
    const SteadyTime now = clock_.Now();
    turned = IsDown(answer.status())
                 ? gate_.Failed(pass, typename Kind::Hash()(key), answer.status(), now)
                 : gate_.Answered(pass);
    if (turned && !gate_.down()) {
      texts_.ForgetFailures(now);
      registered_.ForgetFailures(now);
      looked_up_.ForgetFailures(now);
    }
    waiters = (this->*table).Settle(key, answer, now);
    waiting_ -= waiters.size();
    turned = turned && !ending_;
  }
  if (turned && IsDown(answer.status())) {
    Log(LogLevel::kWarning, "the schema registry is down",
        {{"why", std::string(answer.status().message())}});
  } else if (turned) {
    Log(LogLevel::kInfo, "the schema registry is back");
  }
  for (auto& waiter : waiters) waiter(answer);
}

}  // namespace sidebus
