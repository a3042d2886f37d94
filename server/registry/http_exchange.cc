#include "server/registry/http_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string_view>
#include <utility>

#include "server/registry/secret_file.h"

namespace sidebus {
namespace {

constexpr std::size_t kMaxHeadBytes = 64 * 1024;
constexpr long kReadCaFileAgainAfterSeconds = 60;

absl::Status TooLate() { return absl::DeadlineExceededError("no answer in time"); }

CurlHeaders Headers() {
  CurlHeaders headers;
  for (const char* line : {"Accept: application/vnd.schemaregistry.v1+json, application/json",
                           "Content-Type: application/vnd.schemaregistry.v1+json", "Expect:"}) {
    headers.reset(curl_slist_append(headers.release(), line));
  }
  return headers;
}

long MillisecondsUntil(SteadyTime deadline, SteadyTime now) {
  return std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
}

// Of a line of the head; nullopt: it is another one.
std::optional<SystemTime> DateOf(std::string_view line) {
  constexpr std::string_view kName = "date:";
  const bool is_date =
      line.size() > kName.size() &&
      std::equal(kName.begin(), kName.end(), line.begin(), [](char wanted, char found) {
        return wanted == (found >= 'A' && found <= 'Z' ? found - 'A' + 'a' : found);
      });
  if (!is_date) return std::nullopt;
  const std::time_t date = curl_getdate(std::string(line.substr(kName.size())).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::chrono::system_clock::from_time_t(date);
}

}  // namespace

HttpExchange::HttpExchange(HttpRequest request, SteadyTime deadline, Done done)
    : request_(std::move(request)), deadline_(deadline), done_(std::move(done)) {}

absl::StatusOr<CURL*> HttpExchange::Prepare(const HttpOptions& options, SteadyTime now) {
  if (now >= deadline_) return TooLate();
  handle_.reset(curl_easy_init());
  headers_ = Headers();
  CURL* const handle = handle_.get();
  if (handle == nullptr || headers_ == nullptr) return absl::UnavailableError("out of memory");
  max_answer_bytes_ = options.max_answer_bytes;

  curl_easy_setopt(handle, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_PRIVATE, this);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "sidebus");
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers_.get());
  if (!request_.body.empty()) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request_.body.c_str());
  }

  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);  // does not wait for a resolver that hangs
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, MillisecondsUntil(deadline_, now));
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &HttpExchange::OnHead);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &HttpExchange::OnBody);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);

  curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    curl_easy_setopt(handle, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  curl_easy_setopt(handle, CURLOPT_CA_CACHE_TIMEOUT, kReadCaFileAgainAfterSeconds);
  if (const absl::Status set = SetCredentials(options); !set.ok()) return set;
  return handle;
}

absl::Status HttpExchange::SetCredentials(const HttpOptions& options) {
  if (options.username_file.empty()) return absl::OkStatus();
  const auto username = ReadSecretFile("schema_registry.username_file", options.username_file);
  if (!username.ok()) return username.status();
  const auto password = ReadSecretFile("schema_registry.password_file", options.password_file);
  if (!password.ok()) return password.status();
  curl_easy_setopt(handle_.get(), CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
  curl_easy_setopt(handle_.get(), CURLOPT_USERNAME, username->c_str());
  curl_easy_setopt(handle_.get(), CURLOPT_PASSWORD, password->c_str());
  return absl::OkStatus();
}

void HttpExchange::Finish(CURLcode code) {
  if (code != CURLE_OK) return Fail(ErrorOf(code));
  long status = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  answer_.status = static_cast<int>(status);
  done_(std::move(answer_));
}

absl::Status HttpExchange::ErrorOf(CURLcode code) const {
  if (too_large_) {
    return absl::UnavailableError(
        fmt::format("its answer is larger than {} bytes", max_answer_bytes_));
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return TooLate();
    case CURLE_COULDNT_RESOLVE_HOST:
      return absl::UnavailableError("the host of schema_registry.url has no address");
    case CURLE_COULDNT_CONNECT:
      return absl::UnavailableError("nobody answers at schema_registry.url");
    case CURLE_PEER_FAILED_VERIFICATION:
      return absl::UnavailableError(
          "its certificate is not for that host, or of nobody who is trusted: check "
          "schema_registry.url and ca_file");
    default:
      return absl::UnavailableError(curl_easy_strerror(code));
  }
}

std::size_t HttpExchange::OnHead(char* data, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<HttpExchange*>(self);
  if (const auto date = DateOf({data, size * count})) exchange.answer_.date = date;
  exchange.head_bytes_ += size * count;
  exchange.too_large_ = exchange.head_bytes_ > kMaxHeadBytes;
  return exchange.too_large_ ? 0 : size * count;
}

std::size_t HttpExchange::OnBody(char* data, std::size_t size, std::size_t count, void* self) {
  auto& exchange = *static_cast<HttpExchange*>(self);
  std::string& body = exchange.answer_.body;
  exchange.too_large_ = size * count > exchange.max_answer_bytes_ - body.size();
  if (exchange.too_large_) return 0;
  body.append(data, size * count);
  return size * count;
}

}  // namespace sidebus
