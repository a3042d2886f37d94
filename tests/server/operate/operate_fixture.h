#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/operate/operator.h"
#include "tests/server/subscribe/subscribe_fixture.h"

namespace sidebus {

// An operator of the gateway whose subscriptions are those of SubscribeTest.
class OperateTest : public SubscribeTest, private ProducerListener {
 protected:
  OperateTest() {
    groups_ = *broker_.MakeGroupAdmin();
    Appoint();
  }

  void Appoint() {
    operator_ = std::make_unique<Operator>(OperateWorld{
        .subscriptions = *live_,
        .groups = *groups_,
        .broker = broker_,
        .producer = *producer_,
        .budget = dead_budget_,
        .router = router_,
        .clock = time_,
        .timers = time_,
        .drain_grace = std::chrono::seconds(20),
        .revoke_grace = std::chrono::seconds(2),
    });
  }

  absl::StatusOr<GroupExplanation> ExplainAll(const std::string& group = "g") {
    std::optional<absl::StatusOr<GroupExplanation>> found;
    operator_->ExplainGroup(group, [&](auto states) { found = std::move(states); });
    Settle();
    if (!found.has_value()) return absl::InternalError("no answer");
    return *std::move(found);
  }
  absl::StatusOr<std::vector<PartitionState>> Explain(const std::string& group = "g") {
    auto found = ExplainAll(group);
    if (!found.ok()) return found.status();
    return std::move(found->partitions);
  }

  // The one partition of "orders".
  PartitionState ExplainOrders(const std::string& group = "g") {
    const auto states = Explain(group);
    EXPECT_TRUE(states.ok()) << states.status();
    if (!states.ok()) return {};
    for (const PartitionState& state : *states) {
      if (state.topic == "orders") return state;
    }
    ADD_FAILURE() << "orders is not there";
    return {};
  }

  absl::Status SettleHead(std::int64_t offset, Nack::Action action = Nack::Action::kSkip,
                          const std::string& group = "g") {
    const absl::Status settled = operator_->SettleHead(
        {.group = group, .head = {"orders", 0, offset}, .action = action, .reason = "by hand"});
    Settle();
    return settled;
  }

  static SeekOrder SeekTo(StartPosition::At at, const std::string& group = "g") {
    SeekOrder order;
    order.group = group;
    order.to.at = at;
    return order;
  }
  static SeekOrder SeekTo(std::vector<Position> positions, const std::string& group = "g") {
    SeekOrder order = SeekTo(StartPosition::At::kPositions, group);
    order.to.positions = std::move(positions);
    return order;
  }

  // Begins it; the answer comes as time passes.
  std::shared_ptr<std::optional<absl::StatusOr<SeekResult>>> BeginSeek(SeekOrder order) {
    auto answer = std::make_shared<std::optional<absl::StatusOr<SeekResult>>>();
    operator_->Seek(std::move(order), [answer](absl::StatusOr<SeekResult> result) {
      EXPECT_FALSE(answer->has_value()) << "answered once";
      *answer = std::move(result);
    });
    Settle();
    return answer;
  }

  absl::StatusOr<SeekResult> Seek(SeekOrder order) {
    const auto answer = BeginSeek(std::move(order));
    if (!answer->has_value()) return absl::InternalError("no answer");
    return **answer;
  }

  static Reason ReasonOfSeek(const absl::StatusOr<SeekResult>& result) {
    EXPECT_FALSE(result.ok());
    return result.ok() ? Reason::kBug : ReasonOf(result.status());
  }

  void OnReadinessChanged() override {}

  MemoryBudget dead_budget_{1 << 20};
  std::unique_ptr<Producer> producer_ = *broker_.MakeProducer(*this);
  std::unique_ptr<GroupAdmin> groups_;
  std::unique_ptr<Operator> operator_;
};

}  // namespace sidebus
