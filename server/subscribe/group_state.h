#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/broker/consumer.h"
#include "server/subscribe/buffered_record.h"

namespace sidebus {

// Where one partition of a group stands, and what holds it back. Topics are without prefix.
struct PartitionState {
  // The first record that is not settled: it holds the ack floor.
  struct Head {
    std::int64_t offset = -1;
    std::uint32_t attempt = 1;
    RecordState state = RecordState::kReady;
    std::string last_error;  // of its last failure; empty: none yet
  };

  std::string topic;
  std::int32_t partition = -1;
  std::string owner;                // empty: no member has it
  std::int64_t committed = -1;      // -1: nothing is committed yet
  std::int64_t end = -1;            // one past the last record; -1: not known
  std::uint32_t held = 0;           // by streams
  std::uint64_t settled_above = 0;  // sparse acks
  std::uint32_t held_back = 0;      // keys whose first record waits or is halted
  Duration oldest_unsettled{};
  RetentionLoss lost{};      // since this process reads for the group
  std::string trouble{};     // why this process, which wants it, does not get it; empty: not known
  std::optional<Head> head;  // nullopt: nothing is held back here, or another member has it
};

// What a subscription leaves when it is drained: its group gets all of it again.
struct GroupLeftovers {
  std::string group;
  std::size_t unsettled = 0;    // deliveries that streams hold, dead letters that are not written
  std::size_t uncommitted = 0;  // acks whose commit no broker confirmed
  std::string why{};            // the latter, as far as it is known
};

// All partitions of a group, and topics that its streams here name and that do not exist.
struct GroupExplanation {
  std::vector<PartitionState> partitions;
  std::vector<std::string> missing_topics{};
};

// A group that has a subscription in this process.
struct GroupState {
  std::string group;
  std::vector<std::string> topics;
  std::size_t streams = 0;
  std::uint64_t lag_events = 0;  // of the partitions that are assigned here
  Duration oldest_unsettled{};
  std::size_t held_back = 0;
  std::string trouble{};  // why the broker gives this process nothing; empty: it does
};

}  // namespace sidebus
