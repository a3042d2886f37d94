#include "server/rpc/publish_stream_service.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "server/base/error.h"
#include "server/rpc/event_conversions.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/request_shape.h"
#include "server/rpc/subscribe_conversions.h"

namespace sidebus {
namespace {

// Nobody says when others give memory back.
constexpr Duration kLookAgain = std::chrono::milliseconds(20);

constexpr EventMessage kStreamRequest = {"sidebus.v1.PublishStreamRequest",
                                         "a message of the stream", "",
                                         sidebus::v1::PublishStreamRequest::kEventsFieldNumber};

grpc::ByteBuffer AckBuffer(sidebus::v1::PublishAck ack) {
  sidebus::v1::PublishStreamResponse response;
  *response.mutable_ack() = std::move(ack);
  return ToBuffer(response);
}

grpc::ByteBuffer DrainingBuffer(const Draining& draining) {
  sidebus::v1::PublishStreamResponse response;
  *response.mutable_draining() = DrainingToProto(draining.grace, draining.reason);
  return ToBuffer(response);
}

}  // namespace

CallTask PublishStreamService::Serve(CallRef call) {
  auto stream = std::make_shared<PublishStreamState>(call->loop());
  const absl::Cleanup leave = [&] {
    drain_.streams.Leave(stream->wake);
    streams_.fetch_sub(1);
  };
  if (streams_.fetch_add(1) >= limits_.max_streams) {
    ServerCall::Finish(
        std::move(call),
        MakeError(Reason::kTooManyStreams,
                  fmt::format("{} publish streams are open already", limits_.max_streams),
                  {{std::string(error_key::kLimit), fmt::to_string(limits_.max_streams)}}));
    co_return;
  }
  drain_.streams.Join(stream->wake);
  call->OnCancel([wake = stream->wake] { wake->Notify(); });
  ReadEvents(call, stream);

  absl::Status end = absl::CancelledError();
  bool told = false;
  while (!call->cancelled()) {
    if (const auto draining = drain_.current(); draining.has_value() && !told) {
      told = true;
      const grpc::ByteBuffer notice = DrainingBuffer(*draining);
      if (!co_await call->Write(notice)) break;
      continue;
    }
    if (auto ack = stream->TakeAck(); ack.settled_size() > 0) {
      const grpc::ByteBuffer message = AckBuffer(std::move(ack));
      if (!co_await call->Write(message)) break;
      stream->AckWritten();
      stream->room.Set();
      continue;
    }
    if (!stream->failure.ok() || (!stream->reading && stream->events_in_flight() == 0)) {
      end = stream->failure;
      break;
    }
    co_await stream->wake->Wait();
  }
  stream->Close();
  stream->room.Set();
  ServerCall::Finish(std::move(call), end);
}

CallTask PublishStreamService::ReadEvents(CallRef call,
                                          std::shared_ptr<PublishStreamState> stream) {
  const SteadyTime deadline = DeadlineOf(*call, clock_);
  bool first = true;
  while (stream->failure.ok()) {
    while (!HasRoom(*stream) && !stream->ended) {
      // Own events give memory back and wake this. Without any, others have it all.
      if (stream->events_in_flight() == 0) {
        call->loop().After(kLookAgain, [stream] { stream->room.Set(); });
      }
      co_await stream->room.Wait();
    }
    if (stream->ended) co_return;
    grpc::ByteBuffer message;
    const bool read = co_await call->Read(message);
    if (stream->ended) co_return;
    if (!read) break;
    stream->failure = HandleMessage(*call, deadline, first, message, *stream);
    first = false;
  }
  stream->reading = false;
  stream->wake->Notify();
}

bool PublishStreamService::HasRoom(const PublishStreamState& stream) const {
  return stream.events_in_flight() < limits_.events_in_flight &&
         stream.bytes_in_flight() < limits_.bytes_in_flight && budget_.used() < budget_.limit();
}

absl::Status PublishStreamService::HandleMessage(const ServerCall& call, SteadyTime deadline,
                                                 bool first, grpc::ByteBuffer& message,
                                                 PublishStreamState& stream) {
  const std::uint64_t bytes = message.Length();
  const auto needed = MemoryFor(message, kStreamRequest, requests_.max_request_bytes,
                                limits_.events_in_flight, budget_.limit());
  if (!needed.ok()) return needed.status();
  // In memory already, so it counts even beyond the limit; the publisher counts the events.
  budget_.Take(*needed);
  const absl::Cleanup give_back = [&] { budget_.Return(*needed); };
  google::protobuf::Arena arena(RequestArena());
  auto& request =
      *google::protobuf::Arena::CreateMessage<sidebus::v1::PublishStreamRequest>(&arena);
  if (!ParseMessage(message, request)) return NoMessage(kStreamRequest);
  if (request.has_start()) {
    if (!first) {
      return MakeError(Reason::kStartInvalid, "a start is for the first message only",
                       {{std::string(error_key::kField), "start"}});
    }
    stream.want_positions = request.start().want_positions();
    stream.topic = request.start().topic();
  }
  if (request.events_size() == 0) return absl::OkStatus();
  const TraceContext trace{call.Metadata("traceparent"), call.Metadata("tracestate")};
  stream.Add(publisher_, bytes, EventsFromProto(*request.mutable_events(), trace), deadline);
  return absl::OkStatus();
}

}  // namespace sidebus
