#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/base/gate.h"
#include "server/base/mutex.h"
#include "server/operate/operate_world.h"
#include "server/operate/operations.h"
#include "server/operate/reading_job.h"

namespace sidebus {

// Carries out what operators ask, with the subscriptions of this process and with what the broker
// knows about groups.
//
// Life: orders that are under way when it is destroyed are dropped: their `done` is not called.
// Stop() before that ends those that read in good order.
class Operator final : public Operations {
 public:
  explicit Operator(OperateWorld world);
  ~Operator() override;

  std::vector<GroupState> ListGroups() override;
  void ExplainGroup(const std::string& group, Done<GroupExplanation> done) override;
  absl::Status SettleHead(const SettleHeadOrder& order) override;
  void Seek(SeekOrder order, Done<SeekResult> done) override;
  absl::AnyInvocable<void()> Redrive(RedriveOrder order, OnRedriveProgress on_progress) override;
  absl::AnyInvocable<void()> ListDeadLetters(ListLettersOrder order,
                                             Done<std::vector<ListedLetter>> done) override;
  void Drain(std::optional<Duration> grace, std::string reason,
             absl::AnyInvocable<void(std::size_t)> done) override;
  absl::Status Resume() override;

  // The gateway stops: what redrives have begun to write is committed, then they and lists end with
  // DRAINING, and so do new ones. Does not wait. Any thread.
  void Stop();

 private:
  absl::AnyInvocable<void()> Begin(std::shared_ptr<ReadingJob> job);

  const OperateWorld world_;
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();  // between callbacks and world_
  const std::shared_ptr<ReadingLimits> limits_;
  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::weak_ptr<ReadingJob>> reading_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
