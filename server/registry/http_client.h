#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/c_deleter.h"
#include "server/base/mutex.h"
#include "server/registry/http_exchange.h"
#include "server/registry/http_options.h"

namespace sidebus {

// HTTP requests with libcurl, on one thread of its own: the registry thread.
//
//   any thread --Send--> new_ --> waiting_ --> under_way_ (max_under_way) --> Done
//                   \---> refused_ (beyond max_open) ----------------------> Done
//
// What waits is sent in the order in which it came. As all have the same time, those that wait are
// never too late before those that are under way are.
//
// Thread safety: Send() from any thread, also from inside a Done. Done is called exactly once, on
// the registry thread, with no lock held, and must not block. The destructor answers what is open
// with CANCELLED and waits for the thread. The process ignores SIGPIPE.
class HttpClient {
 public:
  explicit HttpClient(HttpOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Errors are those of HttpExchange, RESOURCE_EXHAUSTED when too much is open, and
  // FAILED_PRECONDITION when a secret's file cannot be read.
  void Send(HttpRequest request, HttpExchange::Done done);

 private:
  using Exchange = std::unique_ptr<HttpExchange>;
  using CurlMulti = std::unique_ptr<CURLM, CDeleter<curl_multi_cleanup>>;

  // --- registry thread ---
  void Run();
  // Takes over what was sent, and tells what was refused. False: it is the end.
  bool TakeNew();
  void StartWaiting();
  void Start(Exchange exchange);
  void FinishDone();
  void CancelAll();
  void Close();

  const HttpOptions options_;
  const CurlMulti multi_;
  Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::size_t open_ ABSL_GUARDED_BY(mu_) = 0;  // accepted and not answered
  std::vector<Exchange> new_ ABSL_GUARDED_BY(mu_);
  std::vector<HttpExchange::Done> refused_ ABSL_GUARDED_BY(mu_);

  // --- registry thread ---
  std::deque<Exchange> waiting_;
  std::unordered_map<CURL*, Exchange> under_way_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sidebus
