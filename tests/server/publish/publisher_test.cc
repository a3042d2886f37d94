#include "server/publish/publisher.h"

#include "server/codec/rfc3339.h"
#include "tests/server/publish/publisher_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Gt;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using PublisherTest = PublisherFixture;

TEST_F(PublisherTest, AnswersOnlyWhenTheBrokerHasTheEvent) {
  const auto call = Publish(MakeEvent("plain"));
  EXPECT_THAT(call->answers, Eq(0));
  EXPECT_THAT(publisher_->in_flight_events(), Eq(1u));

  producer_.WriteAll();

  EXPECT_THAT(call->answers, Eq(1));
  EXPECT_TRUE(call->result().error.ok());
  EXPECT_THAT(call->result().event_id, Eq("1"));
  EXPECT_THAT(call->result().positions, ElementsAre(Position{"orders", 0, 0}));
  EXPECT_THAT(publisher_->in_flight_events(), Eq(0u));
}

TEST_F(PublisherTest, AnEmptyBatchIsAnsweredAtOnce) {
  const auto call = Publish(std::vector<Event>{});

  EXPECT_TRUE(call->at_once);
  EXPECT_THAT(*call->results, IsEmpty());
}

TEST_F(PublisherTest, WritesToTheTopicWithItsPrefix) {
  Publish(MakeEvent("plain"));

  EXPECT_THAT(AcceptedTopics(), ElementsAre("dev-orders"));
}

TEST_F(PublisherTest, GivesAnEventWithoutThemAnIdTheConfiguredSourceAndTheTime) {
  Event event = MakeEvent("plain", "");

  const auto call = Publish(std::move(event));

  const auto& headers = producer_.accepted().at(0).record->record.headers;
  EXPECT_THAT(headers.at(1).value->size(), Eq(36u));
  EXPECT_THAT(headers.at(2), Eq(Header{"ce_source", "/test"}));
  EXPECT_THAT(headers.at(4), Eq(Header{"ce_time", FormatRfc3339(time_.WallNow())}));
  const std::string id = *headers.at(1).value;
  producer_.WriteAll();
  EXPECT_THAT(call->result().event_id, Eq(id));
}

TEST_F(PublisherTest, KeepsTheIdSourceAndTimeThatAnEventHas) {
  Event event = MakeEvent("plain", "7");
  event.source = "/mine";
  event.time = EventTime(0, 0);

  Publish(std::move(event));

  const auto& headers = producer_.accepted().at(0).record->record.headers;
  EXPECT_THAT(headers.at(1), Eq(Header{"ce_id", "7"}));
  EXPECT_THAT(headers.at(2), Eq(Header{"ce_source", "/mine"}));
  EXPECT_THAT(headers.at(4), Eq(Header{"ce_time", "1970-01-01T00:00:00Z"}));
}

TEST_F(PublisherTest, TakesTheKeyFromTheData) {
  Publish(MakeEvent("keyed", "1", R"({"order":{"id":"k"}})"));

  EXPECT_THAT(producer_.accepted().at(0).record->record.key, Eq("k"));
}

TEST_F(PublisherTest, AnEventsOwnKeyWinsAndItsDataIsNotRead) {
  Event event = MakeEvent("keyed", "1", "no JSON");
  event.key = "";

  Publish(std::move(event));

  EXPECT_THAT(producer_.accepted().at(0).record->record.key, Eq(""));
}

TEST_F(PublisherTest, DataWithoutAKeyFieldIsNotReadAndTheKeyIsAbsent) {
  Publish(MakeEvent("plain", "1", "no JSON"));

  EXPECT_THAT(producer_.accepted().at(0).record->record.key, Eq(std::nullopt));
  EXPECT_THAT(producer_.accepted().at(0).record->record.value, Eq("no JSON"));
}

TEST_F(PublisherTest, ATombstoneWithoutAKeyFieldIsPublished) {
  Event event = MakeEvent("plain");
  event.data.reset();

  Publish(std::move(event));

  EXPECT_THAT(producer_.accepted().at(0).record->record.value, Eq(std::nullopt));
}

TEST_F(PublisherTest, AnEventGoesToEveryEnabledRouteInFanOutOrderWithTheSameId) {
  const auto call = Publish(MakeEvent("audited", "7", "data"));

  EXPECT_THAT(AcceptedTopics(), ElementsAre("dev-orders", "dev-audit"));
  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("7"));
  EXPECT_THAT(AcceptedIds("dev-audit"), ElementsAre("7"));
  for (const auto& accepted : producer_.accepted()) {
    EXPECT_THAT(accepted.record->record.value, Eq("data"));
  }
  producer_.WriteAll();
  EXPECT_THAT(call->result().positions,
              ElementsAre(Position{"orders", 0, 0}, Position{"audit", 0, 0}));
}

TEST_F(PublisherTest, EachRouteHasTheKeyOfItsOwnField) {
  Publish(MakeEvent("two.keys", "1", R"({"order":{"id":5},"user":"u"})"));

  const auto accepted = producer_.accepted();
  ASSERT_THAT(accepted, SizeIs(3));
  EXPECT_THAT(accepted[0].record->record.key, Eq("5"));
  EXPECT_THAT(accepted[1].record->record.key, Eq("u"));
  EXPECT_THAT(accepted[2].record->record.key, Eq("5"));
}

TEST_F(PublisherTest, AKeyOfARefusedEventDoesNotStickToTheNext) {
  Publish({MakeEvent("two.keys", "1", R"({"order":{"id":"stale"}})"), MakeEvent("plain", "2"),
           MakeEvent("audited", "3")});

  for (const auto& accepted : producer_.accepted()) {
    EXPECT_THAT(accepted.record->record.key, Eq(std::nullopt));
  }
}

TEST_F(PublisherTest, ANamedTopicIsTheOnlyOneThatGetsTheEvent) {
  Publish(MakeEvent("audited"), "audit");

  EXPECT_THAT(AcceptedTopics(), ElementsAre("dev-audit"));
}

TEST_F(PublisherTest, DisabledRoutesOfATypeGetNothing) {
  Publish(MakeEvent("half"));

  EXPECT_THAT(AcceptedTopics(), ElementsAre("dev-audit"));
}

TEST_F(PublisherTest, EventsOfABatchAreProducedInOrder) {
  Publish({MakeEvent("plain", "1"), MakeEvent("logged", "2"), MakeEvent("audited", "3"),
           MakeEvent("plain", "4")});

  EXPECT_THAT(AcceptedIds("dev-orders"), ElementsAre("1", "3", "4"));
  EXPECT_THAT(AcceptedIds("dev-audit"), ElementsAre("2", "3"));
}

TEST_F(PublisherTest, ResultsStandInTheOrderOfTheBatchWhateverTheOrderOfTheReports) {
  const auto call = Publish({MakeEvent("plain", "1"), MakeEvent("unknown", "2"),
                             MakeEvent("logged", "3"), MakeEvent("plain", "4")});

  auto records = producer_.TakeAccepted();
  std::reverse(records.begin(), records.end());
  for (const auto& record : records) {
    EXPECT_THAT(call->answers, Eq(0));
    producer_.Write(record);
  }

  ASSERT_THAT(call->answers, Eq(1));
  std::vector<std::string> ids;
  std::vector<bool> ok;
  for (const PublishResult& result : *call->results) {
    ids.push_back(result.event_id);
    ok.push_back(result.error.ok());
  }
  EXPECT_THAT(ids, ElementsAre("1", "2", "3", "4"));
  EXPECT_THAT(ok, ElementsAre(true, false, true, true));
}

TEST_F(PublisherTest, PositionsAreLeftOutWhenNobodyWantsThem) {
  PublishBatch batch;
  batch.events.push_back(MakeEvent("plain"));
  batch.want_positions = false;
  const auto call = Publish(std::move(batch));

  producer_.WriteAll();

  EXPECT_TRUE(call->result().error.ok());
  EXPECT_THAT(call->result().positions, IsEmpty());
}

TEST_F(PublisherTest, MemoryIsTakenUntilTheReportNotUntilTheAnswer) {
  Publish({MakeEvent("plain", "1", std::string(500, 'x')), MakeEvent("plain", "2")});
  const std::uint64_t both = budget_.used();
  EXPECT_THAT(both, Gt(500u));
  EXPECT_THAT(publisher_->in_flight_bytes(), Eq(both));
  const auto records = producer_.TakeAccepted();

  producer_.Write(records[0]);
  const std::uint64_t one = budget_.used();
  producer_.Write(records[1]);

  EXPECT_THAT(both - one, Gt(500u));
  EXPECT_THAT(one, Gt(0u));
  EXPECT_THAT(budget_.used(), Eq(0u));
}

TEST_F(PublisherTest, ThePayloadIsMovedNotCopied) {
  Event event = MakeEvent("plain", "1", std::string(500, 'x'));
  const char* bytes = event.data->data();

  Publish(std::move(event));

  EXPECT_THAT(producer_.accepted().at(0).record->record.value->data(), Eq(bytes));
}

}  // namespace
}  // namespace sidebus
