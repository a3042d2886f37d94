#include "client/cli/bench_publish.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "client/cli/endpoint.h"
#include "client/cli/output.h"
#include "fmt/format.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;
using Clock = std::chrono::steady_clock;

// Figures of a run. They count from the end of the warm-up on.
class Figures {
 public:
  Figures(const BenchPublishOptions& options, std::string what)
      : options_(options),
        start_(Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(options.warmup))),
        end_(start_ + std::chrono::duration_cast<Clock::duration>(
                          std::chrono::duration<double>(options.seconds))) {
    report_.what = std::move(what);
  }

  bool over() const { return Clock::now() >= end_; }

  void Done(Clock::time_point sent, std::size_t events) {
    const auto now = Clock::now();
    std::lock_guard lock(mu_);
    if (now < start_ || now > end_) return;
    if (!report_.before && options_.gateway_pid > 0) report_.before = UsageOf(options_.gateway_pid);
    report_.events += events;
    report_.bytes += events * options_.size;
    report_.latency.Record(now - sent);
  }

  void Failed(const std::string& reason, std::size_t events) {
    std::lock_guard lock(mu_);
    report_.errors[reason.empty() ? "other" : reason] += events;
  }

  BenchReport Finish() {
    std::lock_guard lock(mu_);
    if (options_.gateway_pid > 0) report_.after = UsageOf(options_.gateway_pid);
    report_.took = std::max(std::min(Clock::now(), end_) - start_, Clock::duration::zero());
    return report_;
  }

 private:
  const BenchPublishOptions& options_;
  const Clock::time_point start_;
  const Clock::time_point end_;
  std::mutex mu_;
  BenchReport report_;
};

// Fills `events` with a batch; numbers go on over the whole run so that keys take turns.
template <typename Request>
void AddEvents(const BenchPublishOptions& options, std::size_t count, std::uint64_t& number,
               Request& request) {
  for (std::size_t i = 0; i < count; ++i) {
    v1::Event& event = *request.add_events();
    event.set_type(options.type);
    event.set_data(std::string(options.size, 'x'));
    if (options.keys > 0) event.set_key(fmt::format("key-{}", number % options.keys));
    ++number;
  }
}

// Closed loops of one call: when it is answered, it is made again. A single loop waits for its answer
// on the thread that calls, as a program does that has one thing to do at a time; many are served by
// the library's threads.
class UnaryLoop {
 public:
  UnaryLoop(const BenchPublishOptions& options, v1::EventBus::Stub& stub, Figures& figures)
      : options_(options), stub_(stub), figures_(figures), left_(options.in_flight) {
    const std::size_t batch = options.mode == "unary" ? 1 : options.batch;
    calls_.resize(options.in_flight);
    for (Call& call : calls_) AddEvents(options_, batch, number_, call.request);
  }

  void Run() {
    if (calls_.size() == 1) return RunOne(calls_.front());
    for (Call& call : calls_) Send(call);
    std::unique_lock lock(mu_);
    done_.wait(lock, [this] { return left_ == 0; });
  }

 private:
  struct Call {
    v1::PublishRequest request;
    v1::PublishResponse response;
    std::unique_ptr<grpc::ClientContext> context;
    Clock::time_point sent;
  };

  void RunOne(Call& call) {
    do {
      Prepare(call);
    } while (Count(call, stub_.Publish(call.context.get(), call.request, &call.response)));
  }

  void Send(Call& call) {
    Prepare(call);
    stub_.async()->Publish(call.context.get(), &call.request, &call.response,
                           [this, &call](const grpc::Status& status) { OnDone(call, status); });
  }

  static void Prepare(Call& call) {
    call.context = std::make_unique<grpc::ClientContext>();
    call.context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    call.response.Clear();
    call.sent = Clock::now();
  }

  void OnDone(Call& call, const grpc::Status& status) {
    if (Count(call, status)) return Send(call);
    std::lock_guard lock(mu_);
    if (--left_ == 0) done_.notify_all();
  }

  // Returns whether the call is to be made again.
  bool Count(const Call& call, const grpc::Status& status) {
    if (!status.ok()) {
      figures_.Failed(fmt::format("status_{}", static_cast<int>(status.error_code())),
                      static_cast<std::size_t>(call.request.events_size()));
    }
    std::size_t good = 0;
    for (const v1::PublishResult& result : call.response.results()) {
      if (result.has_error()) {
        figures_.Failed(ReasonOf(result.error()), 1);
      } else {
        ++good;
      }
    }
    if (good > 0) figures_.Done(call.sent, good);
    return status.ok() && !figures_.over();
  }

  const BenchPublishOptions& options_;
  v1::EventBus::Stub& stub_;
  Figures& figures_;
  std::uint64_t number_ = 0;
  std::vector<Call> calls_;
  std::mutex mu_;
  std::condition_variable done_;
  std::size_t left_;
};

// A stream with at most `in_flight` batches unacked.
class StreamLoop {
 public:
  StreamLoop(const BenchPublishOptions& options, v1::EventBus::Stub& stub, Figures& figures)
      : options_(options), figures_(figures), stream_(stub.PublishStream(&context_)) {}

  grpc::Status Run() {
    std::thread reader([this] { Read(); });
    std::uint64_t number = 0;
    v1::PublishStreamRequest request;
    AddEvents(options_, options_.batch, number, request);
    while (!figures_.over() && WaitForRoom()) {
      {
        std::lock_guard lock(mu_);
        sent_.push_back(Clock::now());
      }
      if (!stream_->Write(request)) break;
    }
    stream_->WritesDone();
    reader.join();
    return stream_->Finish();
  }

 private:
  bool WaitForRoom() {
    std::unique_lock lock(mu_);
    room_.wait(lock, [this] { return ended_ || sent_.size() < options_.in_flight; });
    return !ended_;
  }

  void Read() {
    v1::PublishStreamResponse response;
    std::uint64_t settled = 0;
    std::uint64_t failed = 0;
    while (stream_->Read(&response)) {
      for (const v1::PublishFailure& failure : response.ack().failures()) {
        figures_.Failed(ReasonOf(failure.error()), 1);
        ++failed;
      }
      for (const auto& range : response.ack().settled())
        settled += range.last() - range.first() + 1;
      while (settled >= options_.batch) {
        settled -= options_.batch;
        Clock::time_point sent;
        {
          std::lock_guard lock(mu_);
          sent = sent_.front();
          sent_.pop_front();
          room_.notify_all();
        }
        const std::uint64_t bad = std::min<std::uint64_t>(failed, options_.batch);
        failed -= bad;
        if (bad < options_.batch) figures_.Done(sent, options_.batch - bad);
      }
    }
    std::lock_guard lock(mu_);
    ended_ = true;
    room_.notify_all();
  }

  const BenchPublishOptions& options_;
  Figures& figures_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::PublishStreamRequest, v1::PublishStreamResponse>>
      stream_;
  std::mutex mu_;
  std::condition_variable room_;
  std::deque<Clock::time_point> sent_;  // batches in flight
  bool ended_ = false;
};

}  // namespace

absl::StatusOr<BenchReport> BenchPublish(const BenchPublishOptions& options) {
  auto channel = Connect(options.endpoint, Retries::kOff);
  if (!channel.ok()) return channel.status();
  const auto stub = v1::EventBus::NewStub(*channel);
  Figures figures(options, "publish " + options.mode);
  if (options.mode == "stream") {
    const grpc::Status status = StreamLoop(options, *stub, figures).Run();
    if (!status.ok()) figures.Failed(Describe(status), 1);
  } else {
    UnaryLoop(options, *stub, figures).Run();
  }
  return figures.Finish();
}

}  // namespace sidebus::cli
