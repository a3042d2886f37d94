// EventBusAdmin: dead letters, listed and published again; operations are played by the test.

#include <gmock/gmock.h>

#include <thread>

#include "tests/rpc/admin_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST_F(AdminTest, ARedriveTellsItsProgressUntilItIsDone) {
  v1::RedriveRequest request;
  request.set_dead_letter_topic("orders.g.dead");
  request.add_event_types("order");
  request.set_max_per_second(10);
  request.set_limit(7);
  request.set_dry_run(true);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(20));
  const auto reader = admin_->Redrive(&context, request);
  v1::RedriveResponse progress;

  operations_.TellProgress(RedriveProgress{.scanned = 3, .redriven = 2, .skipped = 1});
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_EQ(progress.redriven(), 2u);
  EXPECT_FALSE(progress.done());
  operations_.TellProgress(
      RedriveProgress{.scanned = 9, .redriven = 7, .skipped = 2, .done = true});
  ASSERT_TRUE(reader->Read(&progress));

  EXPECT_EQ(progress.scanned(), 9u);
  EXPECT_EQ(progress.skipped(), 2u);
  EXPECT_TRUE(progress.done());
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_TRUE(reader->Finish().ok());
  ASSERT_THAT(operations_.redrives, SizeIs(1));
  EXPECT_EQ(operations_.redrives[0].dead_letter_topic, "orders.g.dead");
  EXPECT_THAT(operations_.redrives[0].event_types, ElementsAre("order"));
  EXPECT_EQ(operations_.redrives[0].max_per_second, 10u);
  EXPECT_EQ(operations_.redrives[0].limit, 7u);
  EXPECT_TRUE(operations_.redrives[0].dry_run);
}

TEST_F(AdminTest, ARedriveThatFailsEndsWithItsError) {
  grpc::ClientContext context;
  const auto reader = admin_->Redrive(&context, v1::RedriveRequest());

  operations_.TellProgress(MakeError(Reason::kTopicMissing, "there is none"));

  v1::RedriveResponse progress;
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_EQ(ErrorOf(reader->Finish()).reason, "TOPIC_MISSING");
}

TEST_F(AdminTest, TheTotalsOfARedriveThatFailsComeBeforeItsError) {
  grpc::ClientContext context;
  const auto reader = admin_->Redrive(&context, v1::RedriveRequest());

  operations_.TellProgress(RedriveProgress{.scanned = 5, .redriven = 4});
  operations_.TellProgress(MakeError(Reason::kBrokerDown, "it is away"));

  v1::RedriveResponse progress;
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_EQ(progress.redriven(), 4u);
  EXPECT_FALSE(reader->Read(&progress));
  EXPECT_EQ(ErrorOf(reader->Finish()).reason, "BROKER_DOWN");
}

TEST_F(AdminTest, AListEndsWithItsClient) {
  operations_.answers_lists = false;
  v1::ListDeadLettersRequest request;
  v1::ListDeadLettersResponse response;
  std::atomic<bool> ended{false};
  grpc::ClientContext context;
  admin_->async()->ListDeadLetters(&context, &request, &response,
                                   [&](const grpc::Status&) { ended = true; });
  ASSERT_TRUE(Eventually([&] { return operations_.open_lists == 1; }));

  context.TryCancel();

  EXPECT_TRUE(Eventually([&] { return ended && operations_.stopped_lists == 1; }));
}

TEST_F(AdminTest, ARedriveEndsWithItsClient) {
  grpc::ClientContext context;
  const auto reader = admin_->Redrive(&context, v1::RedriveRequest());
  operations_.TellProgress(RedriveProgress{.scanned = 1});

  context.TryCancel();

  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (operations_.stopped_redrives == 0) std::this_thread::yield();
}

TEST_F(AdminTest, DeadLettersAreListedWithWhatIsSaidOfThem) {
  ListedLetter letter;
  letter.event.id = "1";
  letter.event.type = "order";
  letter.event.key = "k";
  letter.event.data = "d";
  letter.event.headers = {{"x", "1"}, {"y", std::nullopt}};
  letter.position = {"orders.g.dead", 1, 5};
  letter.note.reason = "REJECTED";
  letter.note.detail = "why";
  letter.note.group = "g";
  letter.note.attempts = 3;
  letter.note.origin = {"orders", 0, 42};
  letter.note.time = SystemTime(seconds(1'000'000'000));
  operations_.letters = {letter};
  v1::ListDeadLettersRequest request;
  request.set_dead_letter_topic("orders.g.dead");
  request.set_limit(5);
  v1::ListDeadLettersResponse response;

  ASSERT_TRUE(Call(&v1::EventBusAdmin::Stub::ListDeadLetters, request, &response).ok());

  EXPECT_EQ(operations_.lists.at(0).limit, 5u);
  EXPECT_EQ(operations_.stopped_lists, 0);
  ASSERT_EQ(response.items_size(), 1);
  const v1::DeadLetter& found = response.items(0);
  EXPECT_EQ(found.event().type(), "order");
  EXPECT_EQ(found.event().key(), "k");
  EXPECT_EQ(found.event().headers(0).value(), "1");
  EXPECT_FALSE(found.event().headers(1).has_value());
  EXPECT_EQ(found.position().offset(), 5);
  EXPECT_EQ(found.origin().offset(), 42);
  EXPECT_EQ(found.reason(), "REJECTED");
  EXPECT_EQ(found.detail(), "why");
  EXPECT_EQ(found.attempts(), 3u);
  EXPECT_EQ(found.time().seconds(), 1'000'000'000);
}

}  // namespace
}  // namespace sidebus
