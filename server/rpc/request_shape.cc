#include "server/rpc/request_shape.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <string>

#include "server/base/error.h"
#include "sidebus/v1/event.pb.h"

namespace sidebus {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Measured with the generated classes and ours: the message's object, our value, and the slot of
// one record; for an attribute the two strings, once in each.
constexpr std::uint64_t kEventBytes = 1024;
constexpr std::uint64_t kAttributeBytes = 256;

bool IsAttribute(int field) {
  return field == sidebus::v1::Event::kHeadersFieldNumber ||
         field == sidebus::v1::Event::kExtensionsFieldNumber;
}

bool CountEvent(CodedInputStream& in, RequestShape& shape) {
  std::uint32_t size = 0;
  if (!in.ReadVarint32(&size)) return false;
  const CodedInputStream::Limit limit = in.PushLimit(static_cast<int>(size));
  while (const std::uint32_t tag = in.ReadTag()) {
    if (IsAttribute(WireFormatLite::GetTagFieldNumber(tag))) ++shape.attributes;
    if (!WireFormatLite::SkipField(&in, tag)) return false;
  }
  if (!in.ConsumedEntireMessage() || in.BytesUntilLimit() != 0) return false;
  in.PopLimit(limit);
  ++shape.events;
  return true;
}

absl::Status TooLarge(const EventMessage& what, std::string_view unit, std::uint64_t is,
                      std::uint64_t limit) {
  return MakeError(Reason::kRequestTooLarge,
                   fmt::format("{} has {} {}, at most {} are allowed{}", what.name, is, unit, limit,
                               what.advice),
                   {{std::string(error_key::kLimit), fmt::to_string(limit)}});
}

absl::Status NeverFits(std::uint64_t limit) {
  return MakeError(
      Reason::kRequestTooLarge,
      fmt::format("the request's events and headers take more than the {} bytes of memory that "
                  "there are for publishing: send less at once",
                  limit),
      {{std::string(error_key::kLimit), fmt::to_string(limit)}});
}

}  // namespace

std::optional<RequestShape> ShapeOf(grpc::ByteBuffer& buffer, int events_field) {
  grpc::ProtoBufferReader reader(&buffer);
  if (!reader.status().ok()) return std::nullopt;
  CodedInputStream in(&reader);
  RequestShape shape;
  const std::uint32_t event_tag =
      WireFormatLite::MakeTag(events_field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  while (const std::uint32_t tag = in.ReadTag()) {
    const bool ok = tag == event_tag ? CountEvent(in, shape) : WireFormatLite::SkipField(&in, tag);
    if (!ok) return std::nullopt;
  }
  if (!in.ConsumedEntireMessage()) return std::nullopt;
  return shape;
}

std::optional<std::uint64_t> CountField(grpc::ByteBuffer& buffer, int field) {
  grpc::ProtoBufferReader reader(&buffer);
  if (!reader.status().ok()) return std::nullopt;
  CodedInputStream in(&reader);
  std::uint64_t count = 0;
  while (const std::uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagFieldNumber(tag) == field) ++count;
    if (!WireFormatLite::SkipField(&in, tag)) return std::nullopt;
  }
  if (!in.ConsumedEntireMessage()) return std::nullopt;
  return count;
}

absl::Status NoMessage(const EventMessage& what) {
  return MakeError(Reason::kEventInvalid,
                   fmt::format("the message is no {} (or a string is not UTF-8)", what.type));
}

absl::StatusOr<std::uint64_t> MemoryFor(grpc::ByteBuffer& message, const EventMessage& what,
                                        std::uint64_t max_bytes, std::uint64_t max_events,
                                        std::uint64_t memory) {
  const std::uint64_t bytes = message.Length();
  if (bytes > max_bytes) return TooLarge(what, "bytes", bytes, max_bytes);
  const auto shape = ShapeOf(message, what.events_field);
  if (!shape.has_value()) return NoMessage(what);
  if (shape->events > max_events) return TooLarge(what, "events", shape->events, max_events);
  const std::uint64_t needed =
      bytes + shape->events * kEventBytes + shape->attributes * kAttributeBytes;
  if (bytes <= memory && needed > memory) return NeverFits(memory);
  return needed;
}

}  // namespace sidebus
