#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/base/gate.h"
#include "server/base/memory_budget.h"
#include "server/base/mutex.h"
#include "server/broker/broker.h"
#include "server/broker/group_admin.h"
#include "server/operate/operations.h"
#include "server/operate/reading_job.h"
#include "server/routing/router.h"
#include "server/subscribe/live_subscriptions.h"

namespace sidebus {

// What operators' orders are carried out with. Borrowed parts outlive the Operator.
struct OperateWorld {
  LiveSubscriptions& subscriptions;
  GroupAdmin& groups;
  Broker& broker;
  Producer& producer;    // the publishers'
  MemoryBudget& budget;  // that of dead letters
  std::shared_ptr<const Router> router;
  const Clock& clock;
  Timers& timers;
  Duration drain_grace{};   // when an order names none
  Duration revoke_grace{};  // for holders, when a forced seek takes their group away
};

// Carries out what operators ask, with the subscriptions of this process and with what the broker
// knows about groups.
//
// Life: orders that are under way when it is destroyed are dropped: their `done` is not called.
class Operator final : public Operations {
 public:
  explicit Operator(OperateWorld world);
  ~Operator() override;

  std::vector<GroupState> ListGroups() override;
  void ExplainGroup(const std::string& group, Done<std::vector<PartitionState>> done) override;
  absl::Status SettleHead(const SettleHeadOrder& order) override;
  void Seek(SeekOrder order, Done<SeekResult> done) override;
  absl::AnyInvocable<void()> Redrive(RedriveOrder order, OnRedriveProgress on_progress) override;
  void ListDeadLetters(ListLettersOrder order, Done<std::vector<ListedLetter>> done) override;
  void Drain(std::optional<Duration> grace, std::string reason,
             absl::AnyInvocable<void(std::size_t)> done) override;
  absl::Status Resume() override;

 private:
  void Remember(const std::shared_ptr<ReadingJob>& job);

  const OperateWorld world_;
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // between callbacks and world_
  Mutex mu_;
  std::vector<std::weak_ptr<ReadingJob>> reading_ ABSL_GUARDED_BY(mu_);
};

// With prefix: the topics of the configuration and those that this process reads for the group.
std::vector<std::string> KnownTopics(const OperateWorld& world, const std::string& group);

}  // namespace sidebus
