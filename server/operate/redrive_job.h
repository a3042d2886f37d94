#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/operate/operations.h"
#include "server/operate/reading_job.h"

namespace sidebus {

// The consumer group that redrives of a dead-letter topic (with prefix) read as.
std::string RedriveReaderOf(std::string_view full_topic);

// One redrive: dead letters, published again to the topics that they left.
//
// clang-format off
//   check -> no other redrive of the topic -> its ends -> read a batch, as a group of its own
//         -> choose -> produce -> all reported: ack what is written, commit -> progress
//         -> wait for the rate -> next
// clang-format on
//
// What is published is acked and committed batch by batch, so that a second redrive repeats nothing,
// and one that is cut off repeats one batch at most; a batch that has begun is finished before the job
// ends. What a filter, the limit, a missing route or a missing topic passed over is not acked: it
// stays for the next one. Records of one partition are published in their order; one that could not
// be written is left behind those after it in its batch.
class RedriveJob final : public ReadingJob {
 public:
  using OnProgress = Operations::OnRedriveProgress;

  RedriveJob(const OperateWorld& world, std::shared_ptr<Gate> gate,
             std::shared_ptr<ReadingLimits> limits, RedriveOrder order, OnProgress on_progress);
  ~RedriveJob() override;

 private:
  class Copy;  // a record on its way to its topic

  void Check() override;
  void OnReading() override { Next(); }
  void OnBatch(std::int32_t partition, std::vector<ConsumedRecord> records) override;
  void OnEnd(const absl::Status& end) override;

  void OnOthers(const absl::StatusOr<GroupDescription>& found);
  void Next();
  // Null: it is passed over.
  std::unique_ptr<Copy> CopyOf(ConsumedRecord& consumed);
  bool AllAreReady();
  void PassOver(ProducerTopic& missing);
  void ProduceWhenReady();
  void ProduceAll();
  void OnReport(Copy& copy, const absl::Status& written);
  void BatchWritten();
  void BatchCommitted(const absl::Status& committed);
  void BatchDone();
  void Tell(absl::StatusOr<RedriveProgress> progress);
  void After(Duration wait, void (RedriveJob::*then)());

  const RedriveOrder order_;
  const std::string group_;
  const std::set<std::string> types_;
  std::set<std::string> targets_;  // topics with prefix that a configured route has

  Mutex reports_mu_;
  absl::Status failed_ ABSL_GUARDED_BY(reports_mu_);
  std::size_t under_way_ ABSL_GUARDED_BY(reports_mu_) = 0;
  std::vector<DeliveryTag> written_ ABSL_GUARDED_BY(reports_mu_);

  // Only the step at hand uses these.
  OnProgress on_progress_;
  RedriveProgress progress_;
  std::vector<std::unique_ptr<Copy>> batch_;
  std::set<std::string> missing_;  // topics that letters were passed over for
  int waits_ = 0;
  SteadyTime began_{};
};

}  // namespace sidebus
