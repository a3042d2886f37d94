#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "server/codec/confluent_frame.h"
#include "server/codec/schema_cache.h"
#include "tests/server/avro/openedx_vectors.h"
#include "tests/server/publish/publisher_fixture.h"
#include "tests/support/memory_registry.h"

namespace sidebus {

inline constexpr char kBlockPublished[] = "org.openedx.content_authoring.xblock.published.v1";
inline constexpr char kBlockDeleted[] = "org.openedx.content_authoring.xblock.deleted.v1";
inline constexpr char kBlockCopied[] = "org.openedx.content_authoring.xblock.duplicated.v1";
inline constexpr char kCatalogChanged[] =
    "org.openedx.content_authoring.course.catalog_info.changed.v1";
inline constexpr char kRegistered[] = "org.openedx.learning.student.registration.completed.v1";

// A publisher that writes as Open edX does, with a registry in memory, which answers in RunDue().
//
//   type             routes (topic prefix "dev")
//   kBlockPublished  blocks with the key at xblock_info.usage_key
//   kBlockDeleted    blocks, the same
//   kBlockCopied     blocks, the same; copies with the key at xblock_info.block_type
//   kCatalogChanged  courses with the key at catalog_info.course_key; its schema is a file's, too
//   kRegistered      users with the key at user.pii, a record; people without key
class OpenedxFixture : public PublisherFixture {
 protected:
  explicit OpenedxFixture(Registering registering = Registering::kAll) {
    auto registry = std::make_unique<MemoryRegistry>(time_, time_);
    registry_ = registry.get();
    schemas_ = std::make_unique<SchemaCache>(std::move(registry), time_);
    const ProducerConfig config = {
        {kBlockPublished, {{"blocks", "xblock_info.usage_key", true}}},
        {kBlockDeleted, {{"blocks", "xblock_info.usage_key", true}}},
        {kBlockCopied,
         {{"blocks", "xblock_info.usage_key", true}, {"copies", "xblock_info.block_type", true}}},
        {kCatalogChanged, {{"courses", "catalog_info.course_key", true}}},
        {kRegistered, {{"users", "user.pii", true}, {"people", "", true}}}};
    PublisherOptions options{"/test", 100'000, std::chrono::seconds(30), {}};
    options.openedx =
        OpenedxOptions{.defaults = {"openedx/cms/web", "rig", "11.2.0"},
                       .schemas = {.by_type = {{kCatalogChanged, SchemaOf(kCatalogChanged)}}},
                       .registering = registering};
    publisher_ = std::make_unique<Publisher>(
        std::move(options), *Router::Make(config, "dev", RecordEncoding::kOpenedx), budget_, time_,
        time_, publish_metrics_, schemas_.get());
    publisher_->Start(producer_);
  }

  ~OpenedxFixture() override {
    schemas_.reset();
    publisher_->DropWaiting();
    producer_.Purge();
    time_.Advance(std::chrono::minutes(1));  // the registry's answers that nobody waits for
  }

  static std::string IdOf(int number) {
    return fmt::format("00000000-0000-1000-8000-{:012}", number);
  }

  static std::shared_ptr<const AvroSchema> SchemaOf(const std::string& type) {
    return *AvroSchema::Parse(OpenedxVectorOf(type).sorted_schema);
  }

  // With the schema and the full sample of the vector.
  static Event MakeOpenedx(const std::string& type, int number = 1) {
    const OpenedxVector& vector = OpenedxVectorOf(type);
    Event event = MakeEvent(type, IdOf(number), vector.samples.front().json);
    event.schema = vector.schema;
    return event;
  }

  // Numbers of the accepted events that go to `topic` (with prefix), in order.
  std::vector<int> AcceptedNumbers(const std::string& topic) const {
    std::vector<int> numbers;
    for (const auto& accepted : producer_.accepted()) {
      if (accepted.topic != topic) continue;
      const std::string& id = *accepted.record->record.headers.at(4).value;
      numbers.push_back(std::stoi(id.substr(24)));
    }
    return numbers;
  }

  // The bytes of a value after its id.
  static std::string AvroOf(const std::string& type) {
    return OpenedxVectorOf(type).samples.front().avro;
  }

  MemoryRegistry* registry_ = nullptr;  // owned by the cache
  std::unique_ptr<SchemaCache> schemas_;
};

}  // namespace sidebus
