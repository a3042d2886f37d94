#pragma once

#include "server/operate/operations.h"
#include "server/rpc/call_server.h"
#include "server/rpc/redrive_service.h"
#include "server/rpc/unary_reader.h"
#include "sidebus/v1/admin.pb.h"

namespace sidebus {

// sidebus.v1.EventBusAdmin: turns messages into orders and results into messages. Decides nothing.
//
// A further method is one line in AddTo(): AddUnary() with a function from its request to its
// answer, or MethodTable::AddRead() with a coroutine that writes several.
//
// Ownership: outlives the loops. Thread safety: methods are served on the loops' threads, answers
// come from any.
class AdminService {
 public:
  explicit AdminService(Operations& operations) : operations_(operations) {}

  void AddTo(MethodTable& methods, UnaryReader& reader);

 private:
  template <typename Response>
  using Respond = absl::AnyInvocable<void(absl::StatusOr<Response>)>;

  // `serve` returns nothing, or what ends it when the client goes away.
  template <typename Result, typename Request, typename Response>
  void AddUnary(MethodTable& methods, UnaryReader& reader, const char* method,
                Result (AdminService::*serve)(Request, Respond<Response>));

  void ListGroups(sidebus::v1::ListGroupsRequest request,
                  Respond<sidebus::v1::ListGroupsResponse> respond);
  void ExplainGroup(sidebus::v1::ExplainGroupRequest request,
                    Respond<sidebus::v1::ExplainGroupResponse> respond);
  void SettleHead(sidebus::v1::SettleHeadRequest request,
                  Respond<sidebus::v1::SettleHeadResponse> respond);
  absl::AnyInvocable<void()> ListDeadLetters(sidebus::v1::ListDeadLettersRequest request,
                                             Respond<sidebus::v1::ListDeadLettersResponse> respond);
  void Seek(sidebus::v1::SeekRequest request, Respond<sidebus::v1::SeekResponse> respond);
  void Drain(sidebus::v1::DrainRequest request, Respond<sidebus::v1::DrainResponse> respond);
  void Resume(sidebus::v1::ResumeRequest request, Respond<sidebus::v1::ResumeResponse> respond);

  Operations& operations_;
  RedriveService redrive_{operations_};
};

}  // namespace sidebus
