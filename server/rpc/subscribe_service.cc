#include "server/rpc/subscribe_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "server/base/error.h"
#include "server/rpc/deliveries_encoder.h"
#include "server/rpc/message_buffer.h"
#include "server/rpc/request_shape.h"
#include "server/rpc/signal.h"
#include "server/rpc/subscribe_conversions.h"

namespace sidebus {
namespace {

constexpr std::uint32_t kMaxEvents = 256;
constexpr std::uint64_t kMaxBytes = 256 << 10;

// Clients take messages of 4 MiB by default; a failure has some 200 bytes.
constexpr std::size_t kMaxFailures = 1000;

// Ids that may be settled before their answers are taken to be sent: more is not read.
constexpr std::size_t kMaxUnanswered = 10'000;

// 10,000 settlements fit, or a start that names all that it may.
constexpr std::size_t kMaxMessage = 1 << 20;

// An empty nack is two bytes on the wire and some fifty in memory; in less than this it is few.
constexpr std::size_t kSmallMessage = 64 << 10;

// A read fails alike when the client half-closes and when it is gone; gRPC says which only a little
// later. A half-close counts after this long without news of an end.
constexpr Duration kCancelNews = std::chrono::milliseconds(5);

absl::Status StartInvalid(std::string_view what) {
  return MakeError(Reason::kStartInvalid, what, {{std::string(error_key::kField), "start"}});
}

absl::StatusOr<sidebus::v1::SubscribeRequest> Parse(grpc::ByteBuffer& message) {
  const std::size_t size = message.Length();
  if (size > kMaxMessage) {
    return MakeError(Reason::kRequestTooLarge,
                     fmt::format("the message has {} bytes, at most {} are allowed: send several",
                                 size, kMaxMessage),
                     {{std::string(error_key::kLimit), std::to_string(kMaxMessage)}});
  }
  if (size > kSmallMessage) {
    const auto nacks = CountField(message, sidebus::v1::SubscribeRequest::kNackFieldNumber);
    if (nacks.value_or(0) > kMaxIds) return TooManyIds(*nacks);
  }
  sidebus::v1::SubscribeRequest request;
  if (ParseMessage(message, request)) return request;
  return StartInvalid("the message is no sidebus.v1.SubscribeRequest");
}

template <typename Set>
grpc::ByteBuffer Response(Set set) {
  sidebus::v1::SubscribeResponse response;
  set(response);
  return ToBuffer(response);
}

// Everything but deliveries and the end, in the order of Outgoing; deliveries come before what is
// in `after`.
struct Messages {
  std::vector<grpc::ByteBuffer> before;
  std::vector<grpc::ByteBuffer> after;
};

Messages MessagesOf(const Outgoing& out) {
  Messages messages;
  if (out.started.has_value()) {
    messages.before.push_back(
        Response([&](auto& r) { *r.mutable_started() = StartedToProto(*out.started); }));
  }
  for (const Revoked& revoked : out.revoked) {
    messages.before.push_back(
        Response([&](auto& r) { *r.mutable_revoked() = RevokedToProto(revoked); }));
  }
  for (std::span<const SettleFailure> left = out.failures; !left.empty();) {
    const auto some = left.first(std::min(left.size(), kMaxFailures));
    left = left.subspan(some.size());
    messages.before.push_back(
        Response([&](auto& r) { *r.mutable_settle_result() = FailuresToProto(some); }));
  }
  if (out.heartbeat.has_value()) {
    messages.after.push_back(
        Response([&](auto& r) { *r.mutable_heartbeat() = HeartbeatToProto(*out.heartbeat); }));
  }
  if (out.draining.has_value()) {
    messages.after.push_back(Response([&](auto& r) {
      *r.mutable_draining() = DrainingToProto(out.draining->grace, out.draining->reason);
    }));
  }
  return messages;
}

}  // namespace

// What the two coroutines of a stream share. All of it is the loop's, but `wake`.
struct SubscribeService::Stream final : StreamSink {
  explicit Stream(EventLoop& loop) : wake(std::make_shared<Signal>(loop)) {}

  void OnOutgoing() override { wake->Notify(); }

  const std::shared_ptr<Signal> wake;  // of Serve
  LocalEvent taken;                    // for ReadRequests: unanswered is less, or the end
  std::size_t unanswered = 0;          // ids settled since the last Take()
  absl::Status failure;                // the stream is to end with it
  // Null at the end. Last: destroyed before the sink's signal.
  std::unique_ptr<Subscriber> subscriber;
};

CallTask SubscribeService::Serve(CallRef call) {
  auto stream = std::make_shared<Stream>(call->loop());
  const absl::Cleanup leave = [&] {
    stream->wake->Close();
    stream->subscriber.reset();
    stream->taken.Set();
    streams_.fetch_sub(1);
  };
  if (streams_.fetch_add(1) >= max_streams_) {
    ServerCall::Finish(
        std::move(call),
        MakeError(Reason::kTooManyStreams, fmt::format("{} streams are open already", max_streams_),
                  {{std::string(error_key::kLimit), fmt::to_string(max_streams_)}}));
    co_return;
  }
  grpc::ByteBuffer first;
  const bool read = co_await call->Read(first);
  const absl::Status opened =
      read ? Open(first, *stream) : StartInvalid("the first message has to be a start");
  if (!opened.ok()) {
    ServerCall::Finish(std::move(call), opened);
    co_return;
  }
  call->OnCancel([wake = stream->wake] { wake->Notify(); });
  ReadRequests(call, stream);

  absl::Status end = absl::CancelledError();
  bool open = true;
  while (open && !call->cancelled()) {
    if (!stream->failure.ok()) {
      end = stream->failure;
      break;
    }
    const Outgoing out = stream->subscriber->Take(kMaxEvents, kMaxBytes);
    if (std::exchange(stream->unanswered, 0) > kMaxUnanswered) stream->taken.Set();
    if (out.empty()) {
      co_await stream->wake->Wait();
      continue;
    }
    Messages messages = MessagesOf(out);
    if (!out.deliveries.empty()) messages.before.push_back(EncodeDeliveries(out.deliveries));
    for (auto* list : {&messages.before, &messages.after}) {
      for (const grpc::ByteBuffer& message : *list) {
        if (open) open = co_await call->Write(message);
      }
      if (open && list == &messages.before) stream->subscriber->Written();
    }
    if (open && out.end.has_value()) {
      end = *out.end;
      break;
    }
  }
  stream->subscriber.reset();
  ServerCall::Finish(std::move(call), end);
}

absl::Status SubscribeService::Open(grpc::ByteBuffer& message, Stream& stream) {
  auto request = Parse(message);
  if (!request.ok()) return request.status();
  if (!request->has_start()) return StartInvalid("the first message has to be a start");
  auto start = StartFromProto(std::move(*request->mutable_start()));
  if (!start.ok()) return start.status();
  auto settle = SettleFromProto(*std::move(request));
  if (!settle.ok()) return settle.status();
  auto subscriber = open_(*std::move(start), stream);
  if (!subscriber.ok()) return subscriber.status();
  stream.subscriber = *std::move(subscriber);
  if (!IsEmpty(*settle)) stream.subscriber->Handle(*std::move(settle));
  return absl::OkStatus();
}

CallTask SubscribeService::ReadRequests(CallRef call, std::shared_ptr<Stream> stream) {
  while (true) {
    // A client that settles what it does not hold and never reads the answers is not read either.
    while (stream->unanswered > kMaxUnanswered && stream->subscriber != nullptr) {
      stream->wake->Notify();
      co_await stream->taken.Wait();
    }
    if (stream->subscriber == nullptr) co_return;
    grpc::ByteBuffer message;
    const bool read = co_await call->Read(message);
    if (stream->subscriber == nullptr) co_return;
    if (!read) break;
    stream->failure = HandleRequest(message, *stream);
    if (!stream->failure.ok()) {
      stream->wake->Notify();
      co_return;
    }
  }
  const CallRef alive = call;  // the timer needs cancelled()
  call->loop().After(kCancelNews, [alive, stream] {
    // Behind what is in the queue: on a busy loop the news may be there and not looked at.
    alive->loop().Post([alive, stream] {
      if (!alive->cancelled() && stream->subscriber != nullptr) stream->subscriber->HalfClosed();
    });
  });
}

absl::Status SubscribeService::HandleRequest(grpc::ByteBuffer& message, Stream& stream) {
  auto request = Parse(message);
  if (!request.ok()) return request.status();
  if (request->has_start()) return StartInvalid("a start is for the first message only");
  auto settle = SettleFromProto(*std::move(request));
  if (!settle.ok()) return settle.status();
  if (IsEmpty(*settle)) return absl::OkStatus();
  stream.unanswered += settle->ack.size() + settle->nack.size() + settle->extend.size();
  stream.subscriber->Handle(*std::move(settle));
  return absl::OkStatus();
}

}  // namespace sidebus
