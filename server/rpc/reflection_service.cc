#include "server/rpc/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <utility>

#include "server/rpc/message_buffer.h"

namespace sidebus {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

// The file after everything that it imports.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>& added,
             grpc::reflection::v1alpha::FileDescriptorResponse& response) {
  if (!added.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddFile(*file.dependency(i), added, response);
  }
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(response.add_file_descriptor_proto());
}

void AnswerFile(const FileDescriptor* file, ServerReflectionResponse& response) {
  if (file == nullptr) {
    response.mutable_error_response()->set_error_code(5);  // NOT_FOUND
    response.mutable_error_response()->set_error_message("not found");
    return;
  }
  std::set<const FileDescriptor*> added;
  AddFile(*file, added, *response.mutable_file_descriptor_response());
}

}  // namespace

CallTask ReflectionService::Serve(CallRef call) const {
  while (true) {
    grpc::ByteBuffer message;
    if (!co_await call->Read(message)) break;
    ServerReflectionRequest request;
    if (!ParseMessage(message, request)) {
      ServerCall::Finish(std::move(call),
                         absl::InvalidArgumentError("not a ServerReflectionRequest"));
      co_return;
    }
    const grpc::ByteBuffer answer = ToBuffer(Answer(request));
    if (!co_await call->Write(answer)) break;
  }
  ServerCall::Finish(std::move(call), absl::OkStatus());
}

ServerReflectionResponse ReflectionService::Answer(const ServerReflectionRequest& request) const {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services_) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      break;
    case ServerReflectionRequest::kFileByFilename:
      AnswerFile(pool.FindFileByName(request.file_by_filename()), response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
    case ServerReflectionRequest::kFileContainingExtension:
      // proto3 services have no extensions.
      AnswerFile(nullptr, response);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(3);  // INVALID_ARGUMENT
      response.mutable_error_response()->set_error_message("the request asks nothing");
      break;
  }
  return response;
}

}  // namespace sidebus
