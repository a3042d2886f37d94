#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

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

// How often a message has a field. nullopt: the bytes are no protobuf message.
std::optional<std::uint64_t> CountField(grpc::ByteBuffer& buffer, int field);

// A method's messages with events, and how refusals call them.
struct EventMessage {
  std::string_view type;    // "sidebus.v1.PublishRequest"
  std::string_view name;    // "the request"
  std::string_view advice;  // what to do with a large one; may be empty
  int events_field = 0;
};

// EVENT_INVALID: the message cannot be parsed.
absl::Status NoMessage(const EventMessage& what);

// The memory that the message takes when it is parsed. EVENT_INVALID: it cannot be. REQUEST_TOO_LARGE:
// more bytes or events than allowed, or more memory than there is for all requests (a retry is no
// use).
absl::StatusOr<std::uint64_t> MemoryFor(grpc::ByteBuffer& message, const EventMessage& what,
                                        std::uint64_t max_bytes, std::uint64_t max_events,
                                        std::uint64_t memory);

}  // namespace sidebus
