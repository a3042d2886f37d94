#include "server/registry/http_client.h"

#include <utility>

#include "server/base/check.h"

namespace sidebus {
namespace {

constexpr int kIdleWaitMs = 60'000;  // Send() wakes it, and so do libcurl's own time-outs

// libcurl is set up once for the process, before its first use, and never taken down.
CURLM* NewMulti() {
  static const CURLcode set_up = curl_global_init(CURL_GLOBAL_DEFAULT);
  SIDEBUS_CHECK(set_up == CURLE_OK);
  return curl_multi_init();
}

}  // namespace

HttpClient::HttpClient(HttpOptions options) : options_(std::move(options)), multi_(NewMulti()) {
  SIDEBUS_CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(options_.max_under_way));
  thread_ = std::thread([this] { Run(); });
}

HttpClient::~HttpClient() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  curl_multi_wakeup(multi_.get());
  thread_.join();
}

void HttpClient::Send(HttpRequest request, HttpExchange::Done done) {
  {
    MutexLock lock(mu_);
    if (open_ >= options_.max_open) {
      refused_.push_back(std::move(done));
    } else {
      ++open_;
      new_.push_back(std::make_unique<HttpExchange>(
          std::move(request), Clock::Real().Now() + options_.timeout, std::move(done)));
    }
  }
  curl_multi_wakeup(multi_.get());
}

void HttpClient::Run() {
  while (TakeNew()) {
    StartWaiting();
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    FinishDone();
    const bool can_start = !waiting_.empty() && under_way_.size() < options_.max_under_way;
    if (!can_start) curl_multi_poll(multi_.get(), nullptr, 0, kIdleWaitMs, nullptr);
  }
  CancelAll();
}

bool HttpClient::TakeNew() {
  std::vector<HttpExchange::Done> refused;
  bool stopping = false;
  {
    MutexLock lock(mu_);
    for (Exchange& exchange : new_) waiting_.push_back(std::move(exchange));
    new_.clear();
    refused.swap(refused_);
    stopping = stopping_;
  }
  for (HttpExchange::Done& done : refused) {
    done(absl::ResourceExhaustedError("too many requests wait for an answer"));
  }
  return !stopping;
}

void HttpClient::StartWaiting() {
  while (!waiting_.empty() && under_way_.size() < options_.max_under_way) {
    Exchange exchange = std::move(waiting_.front());
    waiting_.pop_front();
    Start(std::move(exchange));
  }
}

void HttpClient::Start(Exchange exchange) {
  const absl::StatusOr<CURL*> handle = exchange->Prepare(options_, Clock::Real().Now());
  if (handle.ok() && curl_multi_add_handle(multi_.get(), *handle) == CURLM_OK) {
    under_way_.emplace(*handle, std::move(exchange));
    return;
  }
  Close();
  exchange->Fail(handle.ok() ? absl::UnavailableError("out of memory") : handle.status());
}

void HttpClient::FinishDone() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const handle = message->easy_handle;
    const CURLcode code = message->data.result;
    curl_multi_remove_handle(multi_.get(), handle);
    const auto exchange = under_way_.extract(handle);
    Close();
    exchange.mapped()->Finish(code);
  }
}

void HttpClient::CancelAll() {
  const absl::Status why = absl::CancelledError("the gateway is shutting down");
  for (auto& [handle, exchange] : under_way_) {
    curl_multi_remove_handle(multi_.get(), handle);
    waiting_.push_back(std::move(exchange));
  }
  under_way_.clear();
  while (!waiting_.empty()) {
    Exchange exchange = std::move(waiting_.front());
    waiting_.pop_front();
    Close();
    exchange->Fail(why);
    TakeNew();  // what was sent from inside
  }
}

void HttpClient::Close() {
  MutexLock lock(mu_);
  --open_;
}

}  // namespace sidebus
