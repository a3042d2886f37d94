#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "google/rpc/status.pb.h"

namespace sidebus::cli {

inline constexpr std::string_view kNoGateway =
    "no gateway answers there: start one with `sidebus serve`, or say where it is with --endpoint "
    "or "
    "SIDEBUS_ENDPOINT";

inline constexpr std::string_view kNoPermission =
    "this user may not open the socket: be in its group, or have the gateway give it another one "
    "(listen[].group, listen[].mode)";

// A message as one line of JSON, with the field names of the proto.
std::string ToJson(const google::protobuf::Message& message);

// What went wrong, for people:
//   "EVENT_TYPE_UNKNOWN: message (topic=..., outcome=...; retry after 500 ms)"
std::string Describe(const google::rpc::Status& status);
// `nobody`: what to say when nothing answers at the endpoint, unless the user may not ask there.
std::string Describe(const grpc::Status& status, std::string_view nobody = kNoGateway);

// The ErrorInfo reason; empty without one.
std::string ReasonOf(const google::rpc::Status& status);

// After which the gateway says that an automatic retry is right (RetryInfo); nullopt: it is not.
std::optional<std::chrono::milliseconds> RetryDelay(const grpc::Status& status);

// Bytes for a terminal: printable UTF-8 as it is, control characters escaped, anything else in
// hexadecimal.
std::string Printable(std::string_view bytes);

// JSON on one line: without the line breaks between its tokens, and the indentation after them. Anything
// else unchanged.
std::string OneLineOfJson(std::string_view text, std::string_view content_type);

// Prints to standard error: "sidebus VERB: text".
void PrintError(std::string_view verb, std::string_view text);

}  // namespace sidebus::cli
