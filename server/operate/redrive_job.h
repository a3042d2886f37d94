#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/gate.h"
#include "server/base/mutex.h"
#include "server/operate/operator.h"
#include "server/operate/reading_job.h"
#include "server/operate/topic_ends.h"
#include "server/operate/topic_reader.h"

namespace sidebus {

// One redrive: dead letters, published again to the topics that they left.
//
// clang-format off
//   check -> no other redrive of the topic -> its ends -> read a batch, as a group of its own
//         -> choose -> produce -> all written: ack them, commit -> progress -> wait for the rate -> next
// clang-format on
//
// What is published is acked and committed batch by batch, so that a second redrive repeats nothing,
// and one that is cut off repeats one batch at most. What a filter, the limit or a missing route
// passed over is not acked: it stays for the next one. Records of one partition keep their order.
//
// Ownership: its callbacks, each in turn, and whoever may stop it. Thread safety: Stop() may be called
// from any thread; the steps run one at a time.
class RedriveJob final : public ReadingJob, public std::enable_shared_from_this<RedriveJob> {
 public:
  using OnProgress = Operations::OnRedriveProgress;

  static std::shared_ptr<RedriveJob> Start(const OperateWorld& world, std::shared_ptr<Gate> gate,
                                           RedriveOrder order, OnProgress on_progress);
  ~RedriveJob() override;

  // Ends it after what is written is committed. No more progress.
  void Stop();

  void Abort() override;

 private:
  class Copy;  // a record on its way to its topic

  RedriveJob(const OperateWorld& world, std::shared_ptr<Gate> gate, RedriveOrder order,
             OnProgress on_progress);

  void Run();
  void OnOthers(const absl::StatusOr<GroupDescription>& found);
  void Read(TopicEnds ends);
  void Next();
  void OnBatch(std::vector<ConsumedRecord> records);
  // Null: it is passed over.
  std::unique_ptr<Copy> CopyOf(ConsumedRecord record);
  void ProduceAll();
  void OnReport(Copy& copy, const absl::Status& written);
  void BatchWritten();
  void BatchCommitted(const absl::Status& committed);
  void Fail(const absl::Status& why);
  void Finished(const absl::Status& end);
  void Tell(absl::StatusOr<RedriveProgress> progress);
  void After(Duration wait, void (RedriveJob::*then)());

  const OperateWorld world_;
  const std::shared_ptr<Gate> gate_;
  const RedriveOrder order_;
  const std::string topic_;  // with prefix
  const std::string group_;
  const std::set<std::string> types_;
  std::set<std::string> targets_;  // topics with prefix that a configured route has
  std::uint64_t reserved_ = 0;

  Mutex mu_;
  OnProgress on_progress_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<TopicReader> reader_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mu_);
  std::size_t under_way_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<DeliveryTag> written_ ABSL_GUARDED_BY(mu_);

  // Only the step at hand uses these.
  RedriveProgress progress_;
  std::vector<std::unique_ptr<Copy>> batch_;
  int waits_ = 0;
  SteadyTime began_{};
};

}  // namespace sidebus
