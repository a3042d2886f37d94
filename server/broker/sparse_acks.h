#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sidebus {

// The offsets from `first` to `end` - 1; not empty.
struct OffsetRun {
  std::int64_t first = 0;
  std::int64_t end = 0;

  friend bool operator==(const OffsetRun&, const OffsetRun&) = default;
};

// How many offsets the runs cover.
inline std::uint64_t CountOffsets(const std::vector<OffsetRun>& runs) {
  std::uint64_t count = 0;
  for (const OffsetRun& run : runs) count += static_cast<std::uint64_t>(run.end - run.first);
  return count;
}

// Sparse acks as text, which is committed beside the ack floor as Kafka's commit metadata: what was
// settled above the floor does not come again after a crash.
//
//   "sb1:" + unpadded standard base64 of LEB128 varints: unsettled, settled, unsettled, settled ...
//   counted in offsets from the floor; what follows the last run is unsettled.
//
//   floor 10, settled 12, 13 and 17  ->  2 2 3 1  ->  "sb1:AgIDAQ"
//
// After a second ':' stands the id of the topic, where the broker gives its topics ids: 22 characters,
// unpadded base64 of a UUID; read in the alphabet for URLs, too. A topic that is deleted and made anew has another id, and a position in the
// old one says nothing (docs/adr/0063). Anything else there, and after a third ':', is for later
// versions, and ignored.
//
//   the same in a topic with an id      ->  "sb1:AgIDAQ:q1uzbJqNQqmzMSnMGh4uCw"
//   nothing settled above the floor     ->  "sb1::q1uzbJqNQqmzMSnMGh4uCw", or "" without an id

// A broker takes 4,096 bytes (offset.metadata.max.bytes).
inline constexpr std::size_t kMaxAckMetadata = 4'000;

// From here on a partition is not read further until its floor moves: what is read and settled now
// might not fit any more, and would come again.
inline constexpr std::size_t kCrowdedAckMetadata = kMaxAckMetadata / 4 * 3;

// Runs in ascending order, not touching each other, all above the floor. Those that do not fit are
// left out from the end, which is safe: they come again. `left_out`, if given, is set to how many.
// `topic_id`: empty, there is none.
std::string EncodeSparseAcks(std::int64_t floor, const std::vector<OffsetRun>& settled,
                             std::string_view topic_id = {}, std::size_t* left_out = nullptr);

// The id of the topic that was committed, empty: none, or not ours.
std::string TopicIdOf(std::string_view metadata);

// nullopt: not ours (of another program that used the group), or damaged.
std::optional<std::vector<OffsetRun>> DecodeSparseAcks(std::int64_t floor,
                                                       std::string_view metadata);

}  // namespace sidebus
