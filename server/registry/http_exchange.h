#pragma once

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/c_deleter.h"
#include "server/base/clock.h"
#include "server/registry/http_options.h"

namespace sidebus {

using CurlEasy = std::unique_ptr<CURL, CDeleter<curl_easy_cleanup>>;
using CurlHeaders = std::unique_ptr<curl_slist, CDeleter<curl_slist_free_all>>;

struct HttpRequest {
  std::string url;
  std::string body;  // JSON, to POST; empty: GET
};

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::optional<SystemTime> date;  // what the server took the time to be: whole seconds
};

// One request on its way, and its answer as it comes in.
//
// Redirects are not followed and proxies of the environment not used: the request, and with it the
// credentials, goes to the URL's host or nowhere.
//
// Errors: DEADLINE_EXCEEDED, or UNAVAILABLE and a text that names neither host nor credentials.
//
// Ownership: HttpClient owns it; stays where it is, because libcurl has its address.
// Thread safety: none; it belongs to the registry thread after it was made.
class HttpExchange {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<HttpAnswer>)>;

  HttpExchange(HttpRequest request, SteadyTime deadline, Done done);
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // Makes a handle that is ready to be added. Reads the secrets' files.
  absl::StatusOr<CURL*> Prepare(const HttpOptions& options, SteadyTime now);

  // Tells the one who asked how libcurl ended, or that nobody tried. Once.
  void Finish(CURLcode code);
  void Fail(const absl::Status& why) { done_(why); }

 private:
  static std::size_t OnHead(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBody(char* data, std::size_t size, std::size_t count, void* self);

  absl::Status SetCredentials(const HttpOptions& options);
  absl::Status ErrorOf(CURLcode code) const;

  const HttpRequest request_;
  const SteadyTime deadline_;
  Done done_;
  CurlHeaders headers_;
  CurlEasy handle_;  // uses what is above
  HttpAnswer answer_;
  std::size_t head_bytes_ = 0;
  std::size_t max_answer_bytes_ = 0;
  bool too_large_ = false;
};

}  // namespace sidebus
