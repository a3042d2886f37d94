#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/operate/operations.h"
#include "server/operate/reading_job.h"

namespace sidebus {

// Finds the oldest letters of a dead-letter topic: reads all partitions in turn from their beginning,
// without a group, each until what comes is newer than what was found. The letters of a partition are
// about as old as their order says.
class ListLettersJob final : public ReadingJob {
 public:
  using Done = Operations::Done<std::vector<ListedLetter>>;

  ListLettersJob(const OperateWorld& world, std::shared_ptr<Gate> gate,
                 std::shared_ptr<ReadingLimits> limits, ListLettersOrder order, Done done);

 private:
  // By age.
  struct Key {
    SystemTime time{};
    std::int32_t partition = -1;
    std::int64_t offset = -1;

    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Found {
    ListedLetter letter;
    std::size_t bytes = 0;
  };

  void OnReading() override;
  void OnBatch(std::int32_t partition, std::vector<ConsumedRecord> records) override;
  void OnEnd(const absl::Status& end) override;

  // False: it is newer than what is kept.
  bool Take(std::int32_t partition, ConsumedRecord& consumed);
  void LeaveOutTheNewest();

  const ListLettersOrder order_;
  const std::set<std::string> types_;
  const std::size_t most_letters_;
  const std::size_t most_bytes_;

  // Only the step at hand uses these.
  Done done_;
  std::map<Key, Found> found_;
  std::optional<Key> left_out_;  // the oldest of those
  std::size_t bytes_ = 0;
};

}  // namespace sidebus
