// Event types whose routes are not all written alike.
#include <algorithm>

#include "server/base/check.h"
#include "tests/server/publish/openedx_fixture.h"

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// kBlockPublished goes to plain (CloudEvents, with the key at xblock_info.usage_key), blocks and copies
// (Open edX), events (CloudEvents), in this order. The gateway has the type's schema, and for copies
// one that lacks the version. kBlockCopied goes to blocks and copies, kBlockDeleted to plain (CloudEvents).
class OpenedxRoutesTest : public OpenedxFixture {
 protected:
  static constexpr char kOlder[] =
      R"({"name":"CloudEvent","type":"record","namespace":"older","fields":[{"name":"xblock_info",)"
      R"("type":{"name":"XBlockData","type":"record","fields":[{"name":"usage_key","type":"string"},)"
      R"({"name":"block_type","type":"string"}]}}]})";

  OpenedxRoutesTest() {
    constexpr auto kCloudEvents = RecordEncoding::kCloudEvents;
    const ProducerConfig config = {{kBlockPublished,
                                    {{"plain", "xblock_info.usage_key", true, kCloudEvents},
                                     {"blocks", "xblock_info.usage_key", true},
                                     {"copies", "xblock_info.usage_key", true},
                                     {"events", "", true, kCloudEvents}}},
                                   {kBlockCopied, {{"blocks", "", true}, {"copies", "", true}}},
                                   {kBlockDeleted, {{"plain", "", true, kCloudEvents}}}};
    PublisherOptions options{"/test", 100'000, std::chrono::seconds(30), {}};
    options.openedx = OpenedxOptions{
        .defaults = {"/test", "rig", "11.2.0"},
        .schemas = {.by_type = {{kBlockPublished, SchemaOf(kBlockPublished)}},
                    .by_route = {{{kBlockPublished, "copies"}, *AvroSchema::Parse(kOlder)}}}};
    publisher_ = std::make_unique<Publisher>(
        std::move(options), *Router::Make(config, "dev", RecordEncoding::kOpenedx), budget_, time_,
        time_, publish_metrics_, schemas_.get());
    publisher_->Start(producer_);
  }

  static Event WithoutSchema() {
    Event event = MakeOpenedx(kBlockPublished);
    event.schema.clear();
    return event;
  }

  const Record& RecordOn(const std::string& topic) const {
    const PendingRecord* found = nullptr;
    for (const auto& accepted : producer_.accepted()) {
      if (accepted.topic == "dev-" + topic) found = accepted.record;
    }
    SIDEBUS_CHECK(found != nullptr);
    return found->record;
  }

  static std::string HeaderOf(const Record& record, std::string_view name) {
    const auto header =
        std::ranges::find_if(record.headers, [&](const Header& one) { return one.name == name; });
    return header == record.headers.end() ? "absent" : *header->value;
  }
};

TEST_F(OpenedxRoutesTest, EachRouteIsWrittenInItsEncodingAndWithItsSchema) {
  const Event event = WithoutSchema();
  const auto call = Publish(event);
  time_.RunDue();

  EXPECT_THAT(AcceptedTopics(),
              testing::ElementsAre("dev-plain", "dev-blocks", "dev-copies", "dev-events"));
  for (const char* topic : {"plain", "events"}) {
    EXPECT_THAT(RecordOn(topic).value, Eq(event.data)) << topic;
    EXPECT_THAT(HeaderOf(RecordOn(topic), "ce_minorversion"), Eq("absent"));
  }
  EXPECT_THAT(RecordOn("plain").key->substr(0, 5), Not(Eq(ConfluentPrefix(SchemaId(1)))));
  EXPECT_FALSE(RecordOn("events").key.has_value());
  EXPECT_THAT(RecordOn("blocks").value->substr(5), Eq(AvroOf(kBlockPublished)));
  EXPECT_THAT(HeaderOf(RecordOn("blocks"), "content-type"), Eq("application/avro"));
  const std::string& older = *RecordOn("copies").value;
  const std::string& newer = *RecordOn("blocks").value;
  EXPECT_THAT(newer.substr(5), testing::StartsWith(older.substr(5)));
  EXPECT_THAT(older.size(), testing::Lt(newer.size()));
  EXPECT_THAT(*RecordOn("blocks").key,
              Eq(ConfluentPrefix(SchemaId(1)) + RecordOn("blocks").key->substr(5)));
  for (const char* topic : {"plain", "blocks", "copies", "events"}) {
    EXPECT_THAT(HeaderOf(RecordOn(topic), "ce_id"), Eq(event.id)) << topic;
  }
  producer_.WriteAll();
  EXPECT_THAT(call->result().positions, SizeIs(4));
}

TEST_F(OpenedxRoutesTest, ASchemaThatTheEventBringsWinsOnAllRoutes) {
  Publish(MakeOpenedx(kBlockPublished));
  time_.RunDue();

  EXPECT_THAT(RecordOn("copies").value->substr(5), Eq(AvroOf(kBlockPublished)));
}

TEST_F(OpenedxRoutesTest, AnIdThatOpenEdxCannotReadIsRefusedForAllRoutes) {
  Event event = WithoutSchema();
  event.id = "no uuid";

  const auto call = Publish(event);

  ExpectRefused(call->result(), Reason::kEventInvalid, "not_written");
  EXPECT_THAT(producer_.accepted(), IsEmpty());
}

TEST_F(OpenedxRoutesTest, AnEventWithoutAnIdGetsOneThatOpenEdxCanRead) {
  Event event = WithoutSchema();
  event.id.clear();

  Publish(event);
  time_.RunDue();

  const std::string id = HeaderOf(RecordOn("plain"), "ce_id");
  EXPECT_THAT(id, AllOf(SizeIs(36), Eq(HeaderOf(RecordOn("blocks"), "ce_id"))));
  EXPECT_THAT(id[14], Eq('1'));
}

// The first event is refused when it has asked for the id of its first route.
TEST_F(OpenedxRoutesTest, AnEventHasNoPartInTheIdsOfOneThatWasRefusedBeforeIt) {
  const std::string copies = std::string("dev-copies-") + kBlockCopied + ".CloudEvent";
  registry_->FailOn(copies);
  Publish(MakeOpenedx(kBlockCopied, 1), "copies");
  time_.RunDue();
  const Event plain = MakeOpenedx(kBlockDeleted, 3);

  const auto call = Publish({MakeOpenedx(kBlockCopied, 2), plain});

  ASSERT_THAT(AcceptedTopics(), testing::ElementsAre("dev-plain")) << "it waits for nothing";
  time_.RunDue();
  EXPECT_THAT(RecordOn("plain").value, Eq(plain.data));
  producer_.WriteAll();
  ExpectRefused(call->result(0), Reason::kRegistryDown, "not_written");
  EXPECT_TRUE(call->result(1).error.ok());
}

TEST_F(OpenedxRoutesTest, ARouteOfCloudEventsAloneNeedsNoSchemaAndNoRegistry) {
  registry_->SetDown(true);
  Event event = WithoutSchema();
  event.id = "no uuid";

  Publish(event, "events");

  EXPECT_THAT(HeaderOf(RecordOn("events"), "ce_id"), Eq("no uuid"));
  EXPECT_THAT(registry_->questions(), IsEmpty());
}

}  // namespace
}  // namespace sidebus
