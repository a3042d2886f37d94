#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/broker/group_admin.h"
#include "server/broker/memory/memory_cluster.h"

namespace sidebus {

// Group administration of the memory broker: each Work() answers one question. While the broker
// cannot be reached the answer is BROKER_DOWN.
class MemoryGroupAdmin final : public GroupAdmin, public MemoryClient {
 public:
  explicit MemoryGroupAdmin(MemoryCluster& cluster);
  ~MemoryGroupAdmin() override;

  void Describe(const std::string& group, std::vector<std::string> topics,
                Done<GroupDescription> done) override;
  Duration members_stay() const override;
  void FindOffsets(std::vector<std::string> topics, StartPosition at,
                   Done<std::vector<Position>> done) override;
  void SetPositions(const std::string& group, std::vector<Position> positions,
                    absl::AnyInvocable<void(absl::Status)> done) override;

  bool Work() override;

 private:
  void Ask(absl::AnyInvocable<void()> question);
  absl::Status Reach() const;
  absl::StatusOr<GroupDescription> DescribeNow(const std::string& group) const;
  absl::StatusOr<std::vector<Position>> FindNow(const std::vector<std::string>& topics,
                                                const StartPosition& at) const;
  absl::Status SetNow(const std::string& group, const std::vector<Position>& positions);

  MemoryCluster& cluster_;
  std::deque<absl::AnyInvocable<void()>> questions_ ABSL_GUARDED_BY(cluster_.mu);
  std::shared_ptr<MemoryCluster::Client> client_;
};

}  // namespace sidebus
