#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/subscribe/buffered_record.h"
#include "server/subscribe/key_lanes.h"

namespace sidebus {

struct TopicQueues;

// Why a partition was told that there is no room.
enum class Paused : std::uint8_t { kNo, kShare, kMemory, kNoStream, kRevoke };

// What is buffered of one assigned partition. Belongs to DeliveryBook.
struct PartitionBuffer {
  PartitionBuffer(AssignmentId id, TopicQueues& of, std::int32_t number, Ordering ordering)
      : assignment(id), topic(of), partition(number), lanes(ordering) {}

  const AssignmentId assignment;
  TopicQueues& topic;
  const std::int32_t partition;
  KeyLanes lanes;
  IntrusiveList<BufferedRecord, &BufferedRecord::in_partition> records;  // in order of arrival
  std::uint64_t bytes = 0;                                               // cost of `records`
  Paused paused = Paused::kNo;
  bool revoking = false;  // what is held may be settled, nothing is handed out
};

}  // namespace sidebus
