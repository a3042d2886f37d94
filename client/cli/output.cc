#include "client/cli/output.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>
#include <grpcpp/support/error_details.h>

#include <cstdio>
#include <map>

#include "fmt/format.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/utf8.h"

namespace sidebus::cli {
namespace {

google::rpc::Status ToProto(const grpc::Status& status) {
  google::rpc::Status proto;
  if (!grpc::ExtractErrorDetails(status, &proto).ok() || proto.code() == 0) {
    proto.set_code(status.error_code());
    proto.set_message(status.error_message());
  }
  return proto;
}

template <typename Detail>
bool FindDetail(const google::rpc::Status& status, Detail& into) {
  for (const google::protobuf::Any& detail : status.details()) {
    if (detail.Is<Detail>()) return detail.UnpackTo(&into);
  }
  return false;
}

std::string Hex(std::string_view bytes) {
  std::string out = "0x";
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::chrono::milliseconds DelayOf(const google::rpc::RetryInfo& retry) {
  return std::chrono::milliseconds(
      google::protobuf::util::TimeUtil::DurationToMilliseconds(retry.retry_delay()));
}

}  // namespace

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;  // partition 0 is a partition
  std::string json;
  (void)google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

std::string ReasonOf(const google::rpc::Status& status) {
  google::rpc::ErrorInfo info;
  return FindDetail(status, info) ? info.reason() : "";
}

std::optional<std::chrono::milliseconds> RetryDelay(const grpc::Status& status) {
  google::rpc::RetryInfo retry;
  if (!FindDetail(ToProto(status), retry)) return std::nullopt;
  return DelayOf(retry);
}

std::string Describe(const google::rpc::Status& status) {
  google::rpc::ErrorInfo info;
  FindDetail(status, info);
  std::string more;
  const std::map<std::string, std::string> metadata(info.metadata().begin(), info.metadata().end());
  for (const auto& [key, value] : metadata) {
    more += fmt::format("{}{}={}", more.empty() ? "" : ", ", key, Printable(value));
  }
  if (google::rpc::RetryInfo retry; FindDetail(status, retry)) {
    more += fmt::format("{}retry after {} ms", more.empty() ? "" : "; ", DelayOf(retry).count());
  }
  const std::string name =
      info.reason().empty() ? fmt::format("gRPC status {}", status.code()) : info.reason();
  return fmt::format("{}: {}{}{}{}", name, Printable(status.message()), more.empty() ? "" : " (",
                     more, more.empty() ? "" : ")");
}

std::string Describe(const grpc::Status& status, std::string_view nobody) {
  const google::rpc::Status proto = ToProto(status);
  std::string text = Describe(proto);
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && ReasonOf(proto).empty()) {
    const bool forbidden = status.error_message().find("Permission denied") != std::string::npos;
    text += fmt::format("; {}", forbidden ? kNoPermission : nobody);
  }
  return text;
}

std::string Printable(std::string_view bytes) {
  std::string out;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::size_t size = Utf8Length(rest);
    if (size == 0) return Hex(bytes);
    const auto first = static_cast<unsigned char>(rest.front());
    const bool c1 = size == 2 && first == 0xc2 && static_cast<unsigned char>(rest[1]) < 0xa0;
    if (first == '\n') {
      out += "\\n";
    } else if (first == '\t') {
      out += "\\t";
    } else if (first < 0x20 || first == 0x7f || c1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(rest[size - 1]));
    } else {
      out += rest.substr(0, size);
    }
    rest.remove_prefix(size);
  }
  return out;
}

std::string OneLineOfJson(std::string_view text, std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  if (type != "application/json" && !type.ends_with("+json")) return std::string(text);
  std::string line;
  line.reserve(text.size());
  bool in_string = false;
  bool escaped = false;
  bool indents = false;
  for (const char c : text) {
    const bool is_break = !in_string && (c == '\n' || c == '\r');
    indents = is_break || (indents && (c == ' ' || c == '\t'));
    if (indents) continue;
    line += c;
    if (c == '"' && !escaped) in_string = !in_string;
    escaped = in_string && c == '\\' && !escaped;
  }
  return line;
}

void PrintError(std::string_view verb, std::string_view text) {
  fmt::print(stderr, "sidebus {}: {}\n", verb, text);
}

}  // namespace sidebus::cli
