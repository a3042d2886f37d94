#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/cloudevents.h"
#include "server/codec/dead_letter.h"
#include "tests/server/operate/operate_fixture.h"

namespace sidebus {

inline const std::string kLetters = "orders.g.dead";
inline const std::string kLettersTopic = "t-orders.g.dead";

class RedriveTest : public OperateTest {
 protected:
  RedriveTest() { broker_.CreateTopic(kLettersTopic, 2); }

  // A dead letter of group "g" that came from "orders".
  void Letter(const std::string& data, const std::string& type = "order",
              const std::string& from = "t-orders", std::int32_t partition = 0) {
    Event event;
    event.id = "id-" + data;
    event.type = type;
    event.source = "/test";
    event.time = EventTime(time_.WallNow());
    event.data = data;
    DeadLetterNote note;
    note.reason = "REJECTED";
    note.detail = "why " + data;
    note.group = "g";
    note.attempts = 3;
    note.origin = {from, 0, 7};
    note.time = time_.WallNow();
    broker_.Append(kLettersTopic, partition,
                   MakeDeadLetter(EncodeCloudEvent(std::move(event), "k"), note));
  }

  // While the broker works.
  void Pass(Duration by) {
    Settle();
    for (Duration passed{}; passed < by; passed += std::chrono::milliseconds(50))
      Advance(std::chrono::milliseconds(50));
  }

  using Said = std::vector<absl::StatusOr<RedriveProgress>>;

  // Begins one; what it says is added to `said`.
  absl::AnyInvocable<void()> Begin(const std::shared_ptr<Said>& said, RedriveOrder order) {
    if (order.dead_letter_topic.empty()) order.dead_letter_topic = kLetters;
    return operator_->Redrive(std::move(order),
                              [said](auto progress) { said->push_back(std::move(progress)); });
  }

  // Its last word.
  absl::StatusOr<RedriveProgress> Redrive(RedriveOrder order) {
    if (order.dead_letter_topic.empty()) order.dead_letter_topic = kLetters;
    const auto last = std::make_shared<absl::StatusOr<RedriveProgress>>(RedriveProgress());
    operator_->Redrive(std::move(order), [last](auto progress) { *last = std::move(progress); });
    for (int i = 0; i < 50 && last->ok() && !(*last)->done; ++i)
      Pass(std::chrono::milliseconds(200));
    return *last;
  }

  void ExpectDone(const absl::StatusOr<RedriveProgress>& progress, std::uint64_t scanned,
                  std::uint64_t redriven, std::uint64_t skipped) {
    ASSERT_TRUE(progress.ok()) << progress.status();
    EXPECT_TRUE(progress->done);
    EXPECT_EQ(progress->scanned, scanned);
    EXPECT_EQ(progress->redriven, redriven);
    EXPECT_EQ(progress->skipped, skipped);
  }

  std::vector<std::string> Orders() {
    std::vector<std::string> data;
    for (const Record& record : broker_.Read("t-orders", 0)) data.push_back(*record.value);
    return data;
  }

  absl::StatusOr<std::vector<ListedLetter>> List(ListLettersOrder order) {
    if (order.dead_letter_topic.empty()) order.dead_letter_topic = kLetters;
    std::optional<absl::StatusOr<std::vector<ListedLetter>>> found;
    operator_->ListDeadLetters(std::move(order), [&](auto letters) { found = std::move(letters); });
    for (int i = 0; i < 50 && !found.has_value(); ++i) Pass(std::chrono::milliseconds(200));
    if (!found.has_value()) return absl::InternalError("no answer");
    return *std::move(found);
  }
};

}  // namespace sidebus
