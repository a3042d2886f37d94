#pragma once

#include <google/protobuf/arena.h>
#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/error.h"

namespace sidebus {

// Reads `message` from the slices of `buffer`, without joining them first, and frees them. False:
// the bytes are no such message (also: a string that is not UTF-8).
inline bool ParseMessage(grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message) {
  bool ok = false;
  {
    grpc::ProtoBufferReader reader(&buffer);
    ok = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  }
  buffer.Clear();
  return ok;
}

// Memory for a request with many small parts: taken in growing blocks, given back as a whole.
inline google::protobuf::ArenaOptions RequestArena() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = 1 << 10;
  options.max_block_size = 64 << 10;
  return options;
}

// The request of a call that takes one message, or START_INVALID.
template <typename Request>
absl::StatusOr<Request> ParseRequest(grpc::ByteBuffer& buffer) {
  Request request;
  if (ParseMessage(buffer, request)) return request;
  return MakeError(Reason::kStartInvalid,
                   "the message is no " + std::string(request.GetTypeName()));
}

// One slice with the message's bytes.
inline grpc::ByteBuffer ToBuffer(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  grpc::Slice slice(size);
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
  return {&slice, 1};
}

}  // namespace sidebus
