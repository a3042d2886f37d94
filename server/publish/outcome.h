#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/publish/plan.h"
#include "server/publish/publisher.h"

namespace sidebus {

// What became of an event on one route.
struct RouteOutcome {
  enum class Fate : std::uint8_t { kOpen, kWritten, kNotWritten, kUnknown };

  const TopicLane* lane = nullptr;
  Fate fate = Fate::kOpen;
  absl::Status error;  // not OK for kNotWritten and kUnknown; without outcome metadata
  std::int32_t partition = -1;
  std::int64_t offset = -1;
};

// Joins the fates of an event's routes, none of them open, into its PublishResult: error and positions.
//
// The error is that of the worst route: an unknown fate, then one that a retry does not mend, then
// any other; of equals the first in fan-out order. Its message gains the route's topic, its
// metadata
//   topic           of that route, without prefix, as all of these
//   outcome         partial: some topic has the event; unknown: none surely has it, one may;
//                   not_written: none has it
//   failed_topics   that surely do not have it, comma separated
//   unknown_topics  that may have it
class OutcomeJoiner {
 public:
  explicit OutcomeJoiner(bool want_positions) : want_positions_(want_positions) {}

  void Add(const RouteOutcome& route);

  // Call once, after the last route.
  PublishResult Take(std::string event_id);

 private:
  absl::Status Error();

  enum class Badness : std::uint8_t { kNone, kRetryMends, kRetryIsNoUse, kUnknown };

  const bool want_positions_;
  bool written_somewhere_ = false;
  const RouteOutcome* worst_ = nullptr;
  Badness badness_ = Badness::kNone;
  std::string failed_topics_;
  std::string unknown_topics_;
  std::vector<Position> positions_;
};

// `error` with outcome not_written: for an event that was refused as a whole. `failed_topics`,
// comma separated, once its routes are known.
absl::Status NotWritten(const absl::Status& error, const std::string& failed_topics = "");

// Adds `topic` to a comma-separated list.
void AppendTopic(std::string& list, const std::string& topic);

}  // namespace sidebus
