#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/gate.h"
#include "server/base/mutex.h"
#include "server/operate/operate_world.h"
#include "server/operate/reading_limits.h"
#include "server/operate/topic_ends.h"
#include "server/operate/topic_reader.h"

namespace sidebus {

// What a job reads, and how.
struct ReadingPlan {
  std::string topic;              // a dead-letter topic, without prefix
  std::string group;              // empty: none, and nothing is committed
  std::uint64_t batch_bytes = 0;  // of what is read at once
  std::uint64_t more_bytes = 0;   // what the job needs besides
  Duration patience{};            // for the next record, or the end
};

// A job that reads a dead-letter topic once, from where its group stands to the ends of the moment:
//
//   Begin() -> Check() -> FindEnds() -> memory for it -> OnReading() -> OnBatch() ... -> OnEnd()
//
// However it ends, memory, group and consumer are given back, and then OnEnd() is called, once.
// Ownership: its callbacks, each in turn. Thread safety: End(), Stop() and Abort() may be called from
// any thread; the steps, which are all the others, run one at a time.
class ReadingJob : public std::enable_shared_from_this<ReadingJob> {
 public:
  virtual ~ReadingJob() = default;

  // The first step comes a little later.
  void Begin();

  // Ends it with `why`, after the work under way.
  void End(const absl::Status& why);

  // As End(), and whoever ordered it is not told anything any more.
  void Stop();

  // At once, as a crash would, so that it has no consumer any more. Not from one of its callbacks.
  void Abort();

 protected:
  ReadingJob(const OperateWorld& world, std::shared_ptr<Gate> gate,
             std::shared_ptr<ReadingLimits> limits, ReadingPlan plan);

  // Goes on with FindEnds(), or ends it.
  virtual void Check() { FindEnds(); }
  virtual void OnReading() = 0;
  virtual void OnBatch(std::int32_t partition, std::vector<ConsumedRecord> records) = 0;
  virtual void OnEnd(const absl::Status& end) = 0;

  void FindEnds();

  // Between these two it is not ended: End() and Stop() wait. False: it ends already.
  bool BeginWork();
  bool EndWork();

  // From a step: ends it, with `why` unless somebody was faster.
  void Finish(absl::Status why);

  // False: another job has the group.
  bool ClaimGroup();

  std::shared_ptr<TopicReader> reader();  // null: not yet, or not any more
  bool is_told();                         // whoever ordered it
  const std::string& full_topic() const { return full_topic_; }
  const OperateWorld& world() const { return world_; }
  const std::shared_ptr<Gate>& gate() const { return gate_; }

  template <typename Job>
  std::shared_ptr<Job> Self() {
    return std::static_pointer_cast<Job>(shared_from_this());
  }

 private:
  bool is_ending();
  void Run();
  void Read(TopicEnds ends);
  absl::Status StartReader(const std::shared_ptr<TopicReader>& reader);
  void Ended(const absl::Status& end);

  const OperateWorld world_;
  const std::shared_ptr<Gate> gate_;
  const std::shared_ptr<ReadingLimits> limits_;
  const ReadingPlan plan_;
  const std::string full_topic_;
  // Only the step at hand uses these.
  std::shared_ptr<void> memory_;
  std::shared_ptr<void> claim_;

  Mutex mu_;
  std::shared_ptr<TopicReader> reader_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mu_);
  bool working_ ABSL_GUARDED_BY(mu_) = false;
  bool told_ ABSL_GUARDED_BY(mu_) = true;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace sidebus
