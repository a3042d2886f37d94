#pragma once

#include <string>
#include <vector>

#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "server/rpc/call_task.h"
#include "server/rpc/server_call.h"

namespace sidebus {

// grpc.reflection.v1alpha.ServerReflection over the linked-in descriptors: lets grpcurl list,
// describe and call without the proto files.
//
// Ownership: outlives the loops. Thread safety: Serve() is called on the loops' threads.
class ReflectionService {
 public:
  // The services to list, by full name.
  explicit ReflectionService(std::vector<std::string> services) : services_(std::move(services)) {}

  CallTask Serve(CallRef call) const;

  grpc::reflection::v1alpha::ServerReflectionResponse Answer(
      const grpc::reflection::v1alpha::ServerReflectionRequest& request) const;

 private:
  const std::vector<std::string> services_;
};

}  // namespace sidebus
