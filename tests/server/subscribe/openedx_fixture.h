#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/schema_cache.h"
#include "server/subscribe/subscription.h"
#include "tests/server/subscribe/dead_letters_fixture.h"
#include "tests/support/memory_registry.h"

namespace sidebus {

// Groups with dead letters that read records of Open edX. The registry in memory knows the schema of
// the values of "order" events, whose data are {"text":"..."}, and that of their keys; the gateway
// knows nothing yet.
class OpenedxFixture : public DeadLettersTest {
 protected:
  static constexpr const char* kSchema =
      R"({"name": "CloudEvent", "namespace": "order", "type": "record", )"
      R"("fields": [{"name": "text", "type": "string"}]})";
  static constexpr const char* kKeySchema = R"({"name": "text", "type": "string"})";
  static constexpr std::uint32_t kNobodys = 77;  // an id that the registry does not have

  OpenedxFixture() {
    value_ = schema_registry_->Add({"t-orders-order.CloudEvent", kSchema});
    key_ = schema_registry_->Add({"t-orders-string", kKeySchema});
    schemas_ = &cache_;
    router_ = MakeRouter(RecordEncoding::kOpenedx);
    MakeTopic();
    Restart();
  }
  ~OpenedxFixture() override { live_.reset(); }

  // Text up to 63 bytes, as Avro.
  static std::string Avro(const std::string& text) {
    return std::string(1, static_cast<char>(2 * text.size())) + text;
  }
  static std::string Json(const std::string& text) { return R"({"text":")" + text + R"("})"; }

  static std::vector<Header> Headers(const std::string& type = "order") {
    return {{"ce_specversion", "1.0"},
            {"content-type", "application/avro"},
            {"ce_datacontenttype", "application/avro"},
            {"ce_type", type},
            {"ce_id", "01234567-89ab-11ee-8c99-0242ac120002"},
            {"ce_source", "openedx/rig/web"},
            {"ce_time", "2026-01-02T03:04:05+00:00"},
            {"ce_minorversion", "0"},
            {"sourcehost", "rig-host"},
            {"sourcelib", "11.2.0"}};
  }

  // A record as the producer of Open edX writes it.
  Record RecordOf(const std::string& text, const std::optional<std::string>& key,
                  std::optional<SchemaId> schema = std::nullopt) const {
    Record record;
    if (key.has_value()) record.key = ConfluentPrefix(key_) + Avro(*key);
    record.value = ConfluentPrefix(schema.value_or(value_)) + Avro(text);
    record.headers = Headers();
    return record;
  }

  void Append(const Record& record) { broker_.Append("t-orders", 0, record); }
  void Append(const std::string& text, const std::optional<std::string>& key = std::nullopt,
              std::optional<SchemaId> schema = std::nullopt) {
    Append(RecordOf(text, key, schema));
  }

  std::unique_ptr<TestStream> OpenJson(const std::string& group = "g") {
    SubscribeStart start = StartOf(group, {"order"});
    start.data_format = DataFormat::kJson;
    return Open(std::move(start));
  }

  // So that the schemas of records without another are known.
  void LearnSchemas(TestStream& stream) {
    Append("first", "a key of its own");
    Settle();
    EXPECT_THAT(stream.TakeData(), testing::ElementsAre(Json("first")));
    stream.Ack(stream.all.back().id);
    Settle();
  }

  PartitionState::Head Head() {
    const auto states = live_->OfGroup("g").front()->Explain();
    EXPECT_THAT(states, testing::SizeIs(1));
    return states.at(0).head.value_or(PartitionState::Head());
  }

  void ExpectLetter(const Record& record, const std::string& detail, std::size_t which = 0) {
    ASSERT_GT(Letters().size(), which);
    const DeadLetterNote note = NoteOf(Letters()[which]);
    EXPECT_EQ(note.reason, "UNDECODABLE");
    EXPECT_THAT(note.detail, testing::HasSubstr(detail));
    EXPECT_EQ(note.attempts, 0u);
    EXPECT_EQ(Letters()[which], MakeDeadLetter(record, note)) << "byte for byte";
  }

  MemoryRegistry* const schema_registry_ = new MemoryRegistry(time_, time_);
  SchemaCache cache_{std::unique_ptr<SchemaRegistry>(schema_registry_), time_};
  SchemaId value_;
  SchemaId key_;
};

}  // namespace sidebus
