#include "server/rpc/library_setup.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <mutex>
#include <string>

#include "absl/synchronization/mutex.h"
#include "server/base/log.h"

namespace sidebus {
namespace {

void OnGrpcLine(gpr_log_func_args* line) {
  // What gRPC calls information is for its own developers.
  const LogLevel level =
      line->severity == GPR_LOG_SEVERITY_ERROR ? LogLevel::kWarning : LogLevel::kDebug;
  if (LogEnabled(level)) Log(level, "gRPC reports", {{"message", line->message}});
}

void OnProtobufLine(google::protobuf::LogLevel level, const char*, int,
                    const std::string& message) {
  const LogLevel ours =
      level == google::protobuf::LOGLEVEL_FATAL ? LogLevel::kError : LogLevel::kDebug;
  if (LogEnabled(ours)) Log(ours, "protobuf reports", {{"message", message}});
}

}  // namespace

void SetUpLibraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    gpr_set_log_function(OnGrpcLine);
    google::protobuf::SetLogHandler(OnProtobufLine);
  });
}

}  // namespace sidebus
