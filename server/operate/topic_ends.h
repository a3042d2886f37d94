#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/gate.h"
#include "server/broker/group_admin.h"

namespace sidebus {

// How far a topic goes now.
struct TopicEnds {
  std::size_t partitions = 0;                   // 0: there is no such topic
  std::map<std::int32_t, std::int64_t> unread;  // the ends of those partitions that have records
};

// `topic` with prefix. `then` runs once, behind the gate, never inside this call.
void FindTopicEnds(GroupAdmin& groups, std::shared_ptr<Gate> gate, const std::string& topic,
                   absl::AnyInvocable<void(absl::StatusOr<TopicEnds>)> then);

// The least that a consumer of so many partitions may fetch ahead.
constexpr std::uint64_t LeastBuffer(std::size_t partitions) { return partitions * (64 << 10); }

}  // namespace sidebus
