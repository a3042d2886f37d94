#include "server/broker/kafka/connection_text.h"

#include "absl/strings/numbers.h"

namespace sidebus {
namespace {

bool Says(std::string_view text, std::string_view what) {
  return text.find(what) != std::string_view::npos;
}

// The number behind `before`, which ends where `until` begins.
std::optional<std::int16_t> NumberBetween(std::string_view text, std::string_view before,
                                          std::string_view until) {
  const std::size_t at = text.rfind(before);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + before.size());
  const std::string_view digits = text.substr(0, until.empty() ? text.size() : text.find(until));
  std::int32_t number = 0;
  if (!absl::SimpleAtoi({digits.data(), digits.size()}, &number)) return std::nullopt;
  return static_cast<std::int16_t>(number);
}

}  // namespace

bool SaysOtherListener(std::string_view text) {
  // It told what it can do, and hung up at the first request: it wants a login first.
  if (Says(text, "closed by peer") && Says(text, "in state UP")) return true;
  return Says(text, "security.protocol") || Says(text, "ApiVersion") || Says(text, "PLAINTEXT") ||
         Says(text, "wrong version number") || Says(text, "packet length too long");
}

ConnectProblem ConnectProblemOf(rd_kafka_resp_err_t error, std::string_view text) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
      return ConnectProblem::kLogin;
    case RD_KAFKA_RESP_ERR__SSL:
      return SaysOtherListener(text) ? ConnectProblem::kListener : ConnectProblem::kTls;
    case RD_KAFKA_RESP_ERR__RESOLVE:
      return ConnectProblem::kUnreachable;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
      if (SaysOtherListener(text)) return ConnectProblem::kListener;
      return Says(text, "SSL handshake") ? ConnectProblem::kTls : ConnectProblem::kUnreachable;
    default:
      return ConnectProblem::kNone;
  }
}

std::string ConnectDetailOf(std::string_view text) {
  // "[thrd:...]: " is not there in callbacks; "scheme://host:port/id: " is.
  const std::size_t scheme = text.find("://");
  std::size_t begin = 0;
  if (const std::size_t end = text.find(": "); scheme != std::string_view::npos && scheme < end) {
    begin = end == std::string_view::npos ? 0 : end + 2;
  } else if (const std::size_t slash = text.find('/'); slash < text.find(": ")) {
    begin = text.find(": ") == std::string_view::npos ? 0 : text.find(": ") + 2;
  }
  text.remove_prefix(begin);
  return std::string(text.substr(0, text.rfind(" (after ")));
}

std::optional<ApiLine> ReadApiLine(std::string_view text) {
  // "[thrd:host:9092/1]: host:9092/1:   ApiKey Produce (0) Versions 0..13"
  const std::size_t key = text.find("ApiKey ");
  if (key == std::string_view::npos) return std::nullopt;
  const std::string_view what = text.substr(key);
  const auto request = NumberBetween(what, "(", ")");
  const auto highest = NumberBetween(what, "..", "");
  if (!request.has_value() || !highest.has_value()) return std::nullopt;
  return ApiLine{std::string(text.substr(0, key)), *request, *highest};
}

}  // namespace sidebus
