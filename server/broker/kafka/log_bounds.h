#pragma once

#include <cstdint>

namespace sidebus {

// What a position that a broker refused is, by the bounds of its partition's log.
enum class LostPosition : std::uint8_t {
  kThere,      // it is in the log after all
  kExpired,    // below the log start: retention overtook it
  kTruncated,  // beyond the log end, or of a history that is gone: offsets may begin anew below it
};

// `lost` is negative when librdkafka found by the leader's epoch that the log was truncated (KIP-320)
// and names no position. `end`: one past the last record.
constexpr LostPosition LookUp(std::int64_t lost, std::int64_t begin, std::int64_t end) {
  if (lost < 0 || lost > end) return LostPosition::kTruncated;
  return lost < begin ? LostPosition::kExpired : LostPosition::kThere;
}

}  // namespace sidebus
