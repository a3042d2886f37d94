#include "server/rpc/admin_service.h"

#include <string>
#include <type_traits>
#include <utility>

#include "server/base/error.h"
#include "server/rpc/admin_conversions.h"
#include "server/rpc/late_answer.h"
#include "server/rpc/rpc_status.h"
#include "server/rpc/service_names.h"

namespace sidebus {

namespace v1 = ::sidebus::v1;

template <typename Result, typename Request, typename Response>
void AdminService::AddUnary(MethodTable& methods, UnaryReader& reader, const char* method,
                            Result (AdminService::*serve)(Request, Respond<Response>)) {
  methods.AddRead(service_name::kEventBusAdmin, method, RpcType::kUnary, reader,
                  [this, serve](CallRef call, grpc::ByteBuffer message) {
                    auto request = ParseRequest<Request>(message);
                    if (!request.ok()) return ServerCall::Finish(std::move(call), request.status());
                    const auto answer = LateAnswer::Make(std::move(call));
                    auto respond = [answer](absl::StatusOr<Response> response) {
                      response.ok() ? answer->FinishWith(*response)
                                    : answer->Finish(response.status());
                    };
                    if constexpr (std::is_void_v<Result>) {
                      (this->*serve)(*std::move(request), std::move(respond));
                    } else {
                      answer->WhenGone((this->*serve)(*std::move(request), std::move(respond)));
                    }
                  });
}

void AdminService::AddTo(MethodTable& methods, UnaryReader& reader) {
  AddUnary(methods, reader, "ListGroups", &AdminService::ListGroups);
  AddUnary(methods, reader, "ExplainGroup", &AdminService::ExplainGroup);
  AddUnary(methods, reader, "SettleHead", &AdminService::SettleHead);
  AddUnary(methods, reader, "Seek", &AdminService::Seek);
  AddUnary(methods, reader, "ListDeadLetters", &AdminService::ListDeadLetters);
  methods.AddRead(service_name::kEventBusAdmin, "Redrive", RpcType::kServerStream, reader,
                  [this](CallRef call, grpc::ByteBuffer message) {
                    redrive_.Serve(std::move(call), std::move(message));
                  });
  AddUnary(methods, reader, "Drain", &AdminService::Drain);
  AddUnary(methods, reader, "Resume", &AdminService::Resume);
}

void AdminService::ListGroups(v1::ListGroupsRequest, Respond<v1::ListGroupsResponse> respond) {
  v1::ListGroupsResponse response;
  for (const GroupState& group : operations_.ListGroups()) {
    *response.add_items() = GroupToProto(group);
  }
  respond(std::move(response));
}

void AdminService::ExplainGroup(v1::ExplainGroupRequest request,
                                Respond<v1::ExplainGroupResponse> respond) {
  if (request.group().empty()) return respond(InvalidField("group", "which one? It is empty"));
  operations_.ExplainGroup(
      request.group(),
      [respond = std::move(respond)](const absl::StatusOr<GroupExplanation>& group) mutable {
        if (!group.ok()) return respond(group.status());
        v1::ExplainGroupResponse response;
        for (const PartitionState& state : group->partitions) {
          *response.add_partitions() = PartitionToProto(state);
        }
        for (const std::string& topic : group->missing_topics) {
          response.add_missing_topics(topic);
        }
        respond(std::move(response));
      });
}

void AdminService::SettleHead(v1::SettleHeadRequest request,
                              Respond<v1::SettleHeadResponse> respond) {
  const auto order = SettleHeadFromProto(std::move(request));
  if (!order.ok()) return respond(order.status());
  const absl::Status settled = operations_.SettleHead(*order);
  if (!settled.ok()) return respond(settled);
  respond(v1::SettleHeadResponse());
}

void AdminService::Seek(v1::SeekRequest request, Respond<v1::SeekResponse> respond) {
  auto order = SeekFromProto(std::move(request));
  if (!order.ok()) return respond(order.status());
  operations_.Seek(*std::move(order), [respond = std::move(respond)](
                                          const absl::StatusOr<SeekResult>& result) mutable {
    if (!result.ok()) return respond(result.status());
    respond(SeekToProto(*result));
  });
}

absl::AnyInvocable<void()> AdminService::ListDeadLetters(
    v1::ListDeadLettersRequest request, Respond<v1::ListDeadLettersResponse> respond) {
  return operations_.ListDeadLetters(
      ListLettersFromProto(std::move(request)),
      [respond =
           std::move(respond)](const absl::StatusOr<std::vector<ListedLetter>>& letters) mutable {
        if (!letters.ok()) return respond(letters.status());
        v1::ListDeadLettersResponse response;
        for (const ListedLetter& letter : *letters) *response.add_items() = LetterToProto(letter);
        respond(std::move(response));
      });
}

void AdminService::Drain(v1::DrainRequest request, Respond<v1::DrainResponse> respond) {
  std::optional<Duration> grace;
  if (request.has_grace()) {
    grace = DurationFromProto(request.grace());
    if (!grace.has_value() || *grace < Duration::zero()) {
      return respond(InvalidField("grace", "not a valid duration, or negative"));
    }
  }
  operations_.Drain(grace, std::move(*request.mutable_reason()),
                    [respond = std::move(respond)](std::size_t unsettled) mutable {
                      v1::DrainResponse response;
                      response.set_unsettled(unsettled);
                      respond(std::move(response));
                    });
}

void AdminService::Resume(v1::ResumeRequest, Respond<v1::ResumeResponse> respond) {
  const absl::Status resumed = operations_.Resume();
  if (!resumed.ok()) return respond(resumed);
  respond(v1::ResumeResponse());
}

}  // namespace sidebus
