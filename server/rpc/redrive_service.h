#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "server/operate/operations.h"
#include "server/rpc/call_task.h"
#include "server/rpc/server_call.h"

namespace sidebus {

// EventBusAdmin.Redrive: one order, and its progress until it is done. The order ends when the client
// goes away.
//
// Ownership: outlives the loops. Thread safety: served on the loops' threads, progress comes from any.
class RedriveService {
 public:
  explicit RedriveService(Operations& operations) : operations_(operations) {}

  // With the call's one message.
  CallTask Serve(CallRef call, grpc::ByteBuffer message);

 private:
  Operations& operations_;
};

}  // namespace sidebus
