// What is written for Open edX: bytes, keys, schemas, refusals.
#include "tests/server/publish/openedx_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Ne;
using ::testing::SizeIs;

class OpenedxPublishTest : public OpenedxFixture {
 protected:
  const Record& Written(std::size_t i = 0) {
    time_.RunDue();
    return producer_.accepted().at(i).record->record;
  }
};

class OpenedxNeverRegisterTest : public OpenedxFixture {
 protected:
  OpenedxNeverRegisterTest() : OpenedxFixture(Registering::kNone) {}
};

TEST_F(OpenedxPublishTest, TheRecordIsFramedAvroWithTheIdsThatTheRegistryGives) {
  Publish(MakeOpenedx(kBlockPublished));
  const Record& record = Written();

  EXPECT_THAT(record.value, Eq(ConfluentPrefix(SchemaId(2)) + AvroOf(kBlockPublished)));
  EXPECT_THAT(record.key->substr(0, 5), Eq(ConfluentPrefix(SchemaId(1))));
  std::vector<std::string> names;
  for (const Header& header : record.headers) names.push_back(header.name);
  EXPECT_THAT(
      names, ElementsAre("ce_specversion", "content-type", "ce_datacontenttype", "ce_type", "ce_id",
                         "ce_source", "ce_time", "ce_minorversion", "sourcehost", "sourcelib"));
}

TEST_F(OpenedxPublishTest, TheKeysSchemaIsRegisteredFirstAndEachUnderPythonsSubject) {
  Publish(MakeOpenedx(kBlockPublished));

  EXPECT_THAT(registry_->questions(),
              ElementsAre("register dev-blocks-string",
                          std::string("register dev-blocks-") + kBlockPublished + ".CloudEvent"));
}

TEST_F(OpenedxPublishTest, TheTextThatIsRegisteredIsPythonsWhateverTheEventsSpacing) {
  const OpenedxVector& vector = OpenedxVectorOf(kBlockPublished);
  Publish(MakeOpenedx(kBlockPublished));
  time_.RunDue();

  std::string text;
  schemas_->FindText(SchemaId(2),
                     [&text](absl::StatusOr<SchemaCache::Text> found) { text = **found; });
  time_.RunDue();

  EXPECT_THAT(text, Eq(vector.sorted_schema));
}

TEST_F(OpenedxPublishTest, KnownIdsAreWrittenAtOnce) {
  Publish(MakeOpenedx(kBlockPublished, 1));
  time_.RunDue();

  Publish(MakeOpenedx(kBlockPublished, 2));

  EXPECT_THAT(AcceptedNumbers("dev-blocks"), ElementsAre(1, 2));
  EXPECT_THAT(registry_->questions(), SizeIs(2));
  EXPECT_THAT(producer_.accepted().at(1).record->record.value,
              Eq(ConfluentPrefix(SchemaId(2)) + AvroOf(kBlockPublished)));
}

TEST_F(OpenedxPublishTest, ATypeThatHasAFileNeedsNoSchemaInTheEvent) {
  Event event = MakeOpenedx(kCatalogChanged);
  event.schema.clear();
  Publish(event);

  EXPECT_THAT(Written().value, Eq(ConfluentPrefix(SchemaId(2)) + AvroOf(kCatalogChanged)));
}

TEST_F(OpenedxPublishTest, TheSchemaOfTheEventWinsOverTheFiles) {
  Event event = MakeOpenedx(kCatalogChanged);
  event.schema = R"({"type": "record", "name": "CloudEvent", "fields": [
      {"name": "catalog_info", "type": {"type": "record", "name": "C", "fields": [
        {"name": "course_key", "type": "string"}]}}]})";
  event.data = R"({"catalog_info": {"course_key": "c"}})";
  Publish(event);

  EXPECT_THAT(Written().value, Eq(ConfluentPrefix(SchemaId(2)) + "\x02"
                                                                 "c"));
}

TEST_F(OpenedxPublishTest, WithoutAnySchemaTheEventIsRefused) {
  Event event = MakeOpenedx(kBlockPublished);
  event.schema.clear();

  const auto call = Publish(event);

  ExpectRefused(call->result(), Reason::kSchemaMissing, "not_written");
  EXPECT_THAT(Meta(call->result().error, "event_type"), Eq(kBlockPublished));
  EXPECT_THAT(std::string(call->result().error.message()),
              HasSubstr("org+openedx+content_authoring+xblock+published+v1_schema.avsc"));
}

TEST_F(OpenedxPublishTest, WhatIsNoSchemaIsRefused) {
  Event event = MakeOpenedx(kBlockPublished);
  event.schema = R"({"type": "recrod"})";

  const auto call = Publish(event);

  ExpectRefused(call->result(), Reason::kEventInvalid, "not_written");
  EXPECT_THAT(Meta(call->result().error, "field"), Eq("schema"));
}

TEST_F(OpenedxPublishTest, AnEventThatDoesNotFitItsSchemaIsRefusedAndRegistersNothing) {
  Event event = MakeOpenedx(kBlockPublished);
  event.data = R"({"xblock_info": {"usage_key": 1}})";

  const auto call = Publish(event);

  ExpectRefused(call->result(), Reason::kSchemaMismatch, "not_written");
  EXPECT_THAT(registry_->questions(), IsEmpty());
}

TEST_F(OpenedxPublishTest, AnEventWithoutDataIsRefused) {
  Event event = MakeOpenedx(kBlockPublished);
  event.data.reset();

  const auto call = Publish(event);

  ExpectRefused(call->result(), Reason::kEventInvalid, "not_written");
  EXPECT_THAT(Meta(call->result().error, "field"), Eq("data"));
}

TEST_F(OpenedxPublishTest, AnEventThatIsTooLargeIsRefusedBeforeItIsEncoded) {
  Event event = MakeOpenedx(kBlockPublished);
  event.data = std::string(100'001, ' ');

  ExpectRefused(Publish(event)->result(), Reason::kEventTooLarge, "not_written");
}

TEST_F(OpenedxPublishTest, AnOwnKeyIsFramedLikeOneOfTheData) {
  Event event = MakeOpenedx(kBlockPublished);
  event.key = "own";
  Publish(event);

  EXPECT_THAT(Written().key, Eq(ConfluentPrefix(SchemaId(1)) + "\x06own"));
}

TEST_F(OpenedxPublishTest, AKeyFieldThatIsARecordIsRefused) {
  const auto call = Publish(MakeOpenedx(kRegistered), "users");

  ExpectRefused(call->result(), Reason::kKeyFieldMissing, "not_written");
  EXPECT_THAT(Meta(call->result().error, "event_type"), Eq(kRegistered));
}

TEST_F(OpenedxPublishTest, ARouteWithoutKeyFieldWritesNoKeyAndAsksForNone) {
  Publish(MakeOpenedx(kRegistered), "people");

  EXPECT_THAT(Written().key, Eq(std::nullopt));
  EXPECT_THAT(registry_->questions(), SizeIs(1));
}

TEST_F(OpenedxPublishTest, EachRouteHasItsOwnSubjectsKeyAndIds) {
  Publish(MakeOpenedx(kBlockCopied));
  time_.RunDue();

  ASSERT_THAT(AcceptedTopics(), ElementsAre("dev-blocks", "dev-copies"));
  const auto accepted = producer_.accepted();
  EXPECT_THAT(accepted[0].record->record.key, Ne(accepted[1].record->record.key));
  EXPECT_THAT(accepted[0].record->record.value, Eq(accepted[1].record->record.value));
  EXPECT_THAT(registry_->questions(), SizeIs(4));
}

TEST_F(OpenedxPublishTest, WhatTheEventLacksIsGivenToItAsInPython) {
  Event event = MakeOpenedx(kBlockPublished);
  event.id.clear();
  const auto call = Publish(event);
  const auto& headers = Written().headers;

  EXPECT_THAT(headers.at(4).value->at(14), Eq('1')) << "a UUID of version 1";
  EXPECT_THAT(headers.at(5).value, Eq("openedx/cms/web"));
  EXPECT_THAT(headers.at(8).value, Eq("rig"));
  EXPECT_THAT(headers.at(9).value, Eq("11.2.0"));
  producer_.WriteAll();
  EXPECT_THAT(call->result().event_id, SizeIs(36));
}

TEST_F(OpenedxNeverRegisterTest, ASchemaThatIsThereIsUsed) {
  const std::string subject = std::string("dev-blocks-") + kBlockPublished + ".CloudEvent";
  registry_->Add({"dev-blocks-string", R"({"name": "usage_key", "type": "string"})"});
  const SchemaId id = registry_->Add({subject, OpenedxVectorOf(kBlockPublished).sorted_schema});

  Publish(MakeOpenedx(kBlockPublished));
  time_.RunDue();

  EXPECT_THAT(producer_.accepted().at(0).record->record.value,
              Eq(ConfluentPrefix(id) + AvroOf(kBlockPublished)));
  EXPECT_THAT(registry_->questions(), ElementsAre("lookup dev-blocks-string", "lookup " + subject));
}

TEST_F(OpenedxNeverRegisterTest, ASchemaThatIsNotThereRefusesTheEvent) {
  const auto call = Publish(MakeOpenedx(kBlockPublished));
  time_.RunDue();

  ExpectRefused(call->result(), Reason::kSchemaIncompatible, "not_written");
}

}  // namespace
}  // namespace sidebus
