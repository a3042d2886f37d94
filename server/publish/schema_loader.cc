#include "server/publish/schema_loader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "server/avro/field_path.h"
#include "server/base/error.h"
#include "server/base/log.h"
#include "server/codec/schema_names.h"

namespace sidebus {
namespace {

constexpr std::size_t kAtATime = 16;

void AddOnce(SubjectSchema schema, std::vector<SubjectSchema>& schemas) {
  if (std::find(schemas.begin(), schemas.end(), schema) != schemas.end()) return;
  schemas.push_back(std::move(schema));
}

}  // namespace

std::vector<SubjectSchema> SubjectSchemasOf(const Router& router, const OpenedxSchemas& schemas) {
  std::vector<SubjectSchema> needed;
  for (const EventTypeRoutes& type : router.event_types()) {
    for (const Route& route : type.routes) {
      const auto schema = schemas.Find(type.type, route.topic);
      if (!route.enabled || route.encoding != RecordEncoding::kOpenedx || schema == nullptr) {
        continue;
      }
      if (route.key_path.has_value()) {
        const auto key = AvroFieldPath::Find(schema, route.key_path->text());
        if (!key.ok()) continue;
        AddOnce({KeySubject(route.full_topic, key->kind()), key->schema_text()}, needed);
      }
      AddOnce({ValueSubject(route.full_topic, type.type), schema->text()}, needed);
    }
  }
  return needed;
}

std::shared_ptr<SchemaLoader> SchemaLoader::Start(const std::vector<SubjectSchema>& schemas,
                                                  SchemaCache& cache, const Clock& clock,
                                                  Timers& timers) {
  std::shared_ptr<SchemaLoader> loader(new SchemaLoader(schemas, cache, clock, timers));
  MutexLock lock(loader->mu_);
  loader->Ask();
  return loader;
}

void SchemaLoader::Stop() {
  MutexLock lock(mu_);
  stopped_ = true;
}

SchemaLoader::Progress SchemaLoader::progress() const {
  MutexLock lock(mu_);
  return {queue_.size() + asked_, refused_};
}

void SchemaLoader::Ask() {
  // After a failure one finds out whether the registry is back.
  const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return asked_ < (pause_ == Duration(0) ? kAtATime : 1);
  };
  while (!stopped_ && !paused_ && room() && !queue_.empty()) {
    const SubjectSchema next = std::move(queue_.front());
    queue_.pop_front();
    ++asked_;
    const auto known = cache_.Register(
        next, [weak = weak_from_this(), next](const absl::StatusOr<SchemaId>& answer) {
          const auto self = weak.lock();
          if (self == nullptr) return;
          MutexLock lock(self->mu_);
          self->Note(next, answer.status());
          self->Ask();
        });
    if (known.has_value()) Note(next, known->status());
  }
}

void SchemaLoader::Note(const SubjectSchema& schema, const absl::Status& answer) {
  --asked_;
  if (answer.ok()) {
    ++registered_;
    pause_ = Duration(0);
  } else if (ReasonOf(answer) == Reason::kRegistryDown) {
    queue_.push_back(schema);
    Pause(answer);
  } else {
    ++refused_;
    Log(LogLevel::kError, "the schema registry refused a schema: its events will be refused",
        {{"subject", schema.subject}, {"why", std::string(answer.message())}});
  }
  if (queue_.empty() && asked_ == 0) {
    Log(LogLevel::kInfo, "the schemas of the configuration are registered",
        {{"registered", registered_}, {"refused", refused_}});
  }
}

void SchemaLoader::Pause(const absl::Status& why) {
  if (std::exchange(paused_, true) || stopped_) return;
  if (pause_ == Duration(0)) {
    Log(LogLevel::kWarning, "schemas of the configuration cannot be registered yet",
        {{"waiting", queue_.size() + asked_}, {"why", std::string(why.message())}});
  }
  pause_ = std::clamp(2 * pause_, kMinPause, kMaxPause);
  timers_.At(clock_.Now() + pause_, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    MutexLock lock(self->mu_);
    self->paused_ = false;
    self->Ask();
  });
}

}  // namespace sidebus
