#include "server/rpc/unary_reader.h"

#include "server/base/error.h"

namespace sidebus {

absl::Status NoMemoryForRequests() {
  return MakeError(Reason::kMemoryBudget,
                   "the memory for requests and events on their way is used up: send slower");
}

CallTask UnaryReader::Read(CallRef call, Then then) {
  ReadSlots& slots = *slots_.at(call->loop().index());
  const ReadSlots::Grant grant = co_await slots.Acquire(*call);
  if (grant != ReadSlots::Grant::kGranted) {
    const bool cancelled = grant == ReadSlots::Grant::kCancelled;
    ServerCall::Finish(std::move(call), cancelled ? absl::CancelledError() : NoMemoryForRequests());
    co_return;
  }
  grpc::ByteBuffer message;
  const bool read = co_await call->Read(message);
  if (!slots.Release(*call)) co_return;
  if (read) {
    std::move(then)(std::move(call), std::move(message));
  } else if (call->cancelled()) {
    ServerCall::Finish(std::move(call), absl::CancelledError());
  } else {
    ServerCall::Finish(std::move(call), MakeError(Reason::kEventInvalid, "the request is missing"));
  }
}

}  // namespace sidebus
