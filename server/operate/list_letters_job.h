#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/base/gate.h"
#include "server/base/mutex.h"
#include "server/operate/operator.h"
#include "server/operate/reading_job.h"
#include "server/operate/topic_ends.h"
#include "server/operate/topic_reader.h"

namespace sidebus {

// Reads a dead-letter topic from its beginning, without a group, until enough is found.
//
// Ownership: its callbacks, each in turn, and whoever may abort it. Thread safety: Abort() may be
// called from any thread; the steps run one at a time.
class ListLettersJob final : public ReadingJob,
                             public std::enable_shared_from_this<ListLettersJob> {
 public:
  using Done = Operations::Done<std::vector<ListedLetter>>;

  static std::shared_ptr<ListLettersJob> Start(const OperateWorld& world,
                                               std::shared_ptr<Gate> gate, ListLettersOrder order,
                                               Done done);

  void Abort() override;

 private:
  ListLettersJob(const OperateWorld& world, std::shared_ptr<Gate> gate, ListLettersOrder order,
                 Done done);

  void Run();
  void Read(TopicEnds ends);
  void OnBatch(std::int32_t partition, std::vector<ConsumedRecord> records);
  // False: that is enough.
  bool Take(std::int32_t partition, ConsumedRecord record);
  void Finished(const absl::Status& end);

  const OperateWorld world_;
  const std::shared_ptr<Gate> gate_;
  const ListLettersOrder order_;
  const std::set<std::string> types_;
  Mutex mu_;
  std::shared_ptr<TopicReader> reader_ ABSL_GUARDED_BY(mu_);

  // Only the step at hand uses these.
  Done done_;
  std::vector<ListedLetter> found_;
  std::size_t bytes_ = 0;
};

}  // namespace sidebus
