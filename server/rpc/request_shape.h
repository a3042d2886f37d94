#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <optional>

#include "absl/status/status.h"

namespace sidebus {

// What a message with events is made of, counted before it is parsed: an empty event or header is
// two bytes on the wire and a few hundred in memory, so the length of a message says little.
struct RequestShape {
  std::uint64_t events = 0;
  std::uint64_t attributes = 0;  // headers and extensions of all events
};

// Counts in the message that `buffer` holds, and leaves it there. `events_field`: the number of its
// field `events`. nullopt: the bytes are no protobuf message. Cost: a few ns per field of an event.
std::optional<RequestShape> ShapeOf(grpc::ByteBuffer& buffer, int events_field);

// What a message of `bytes` takes when it is parsed and made into events, roughly.
std::uint64_t MemoryFor(const RequestShape& shape, std::uint64_t bytes);

// REQUEST_TOO_LARGE: more memory than there is for all requests; a retry is no use.
absl::Status NeverFits(std::uint64_t limit);

}  // namespace sidebus
