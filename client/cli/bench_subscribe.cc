#include "client/cli/bench_subscribe.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "client/cli/duration.h"
#include "client/cli/endpoint.h"
#include "client/cli/output.h"
#include "server/base/mutex.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus::cli {

namespace v1 = ::sidebus::v1;
using Clock = std::chrono::steady_clock;

namespace {

// Sends each message some time after it was given, on a thread of its own; what is not due yet when
// it ends is not sent. Thread safety: one thread gives.
class Later {
 public:
  using Send = std::function<void(const v1::SubscribeRequest&)>;

  Later(std::chrono::milliseconds wait, Send send)
      : wait_(wait), send_(std::move(send)), thread_([this] { Run(); }) {}
  ~Later() {
    {
      MutexLock lock(mu_);
      ending_ = true;
      changed_.NotifyAll();
    }
    thread_.join();
  }

  void Give(v1::SubscribeRequest message) {
    MutexLock lock(mu_);
    waiting_.emplace_back(Clock::now() + wait_, std::move(message));
    changed_.NotifyAll();
  }

 private:
  void Run() {
    while (true) {
      v1::SubscribeRequest message;
      {
        MutexLock lock(mu_);
        while (!ending_ && (waiting_.empty() || waiting_.front().first > Clock::now())) {
          const auto due = waiting_.empty() ? Clock::time_point::max() : waiting_.front().first;
          changed_.WaitUntil(mu_, std::min(due, Clock::now() + std::chrono::seconds(1)));
        }
        if (ending_) return;
        message = std::move(waiting_.front().second);
        waiting_.pop_front();
      }
      send_(message);
    }
  }

  const std::chrono::milliseconds wait_;
  const Send send_;
  Mutex mu_;
  CondVar changed_;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<std::pair<Clock::time_point, v1::SubscribeRequest>> waiting_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

// One response at a time, with its deliveries in memory that is used again: freed one by one they cost
// this side more than they cost the gateway.
class ResponseArena {
 public:
  // The one before is gone.
  v1::SubscribeResponse& Make() {
    arena_.Reset();
    return *google::protobuf::Arena::CreateMessage<v1::SubscribeResponse>(&arena_);
  }

 private:
  std::vector<char> block_ = std::vector<char>(1 << 20);
  google::protobuf::Arena arena_{block_.data(), block_.size()};
};

}  // namespace

absl::StatusOr<BenchReport> BenchSubscribe(const BenchSubscribeOptions& options) {
  const auto work = ParseDuration(options.work);
  if (!work.has_value()) return absl::InvalidArgumentError("--work: a number and ms, s, m or h");
  auto channel = Connect(options.endpoint, Retries::kOff);
  if (!channel.ok()) return channel.status();
  const auto stub = v1::EventBus::NewStub(*channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(static_cast<int>(options.seconds * 1000)));
  auto stream = stub->Subscribe(&context);
  v1::SubscribeRequest start;
  start.mutable_start()->set_group(options.group);
  start.mutable_start()->add_event_types(options.type);
  start.mutable_start()->mutable_window()->set_events(options.window);
  stream->Write(start);

  BenchReport report;
  report.what = "subscribe";
  Clock::time_point first;
  Clock::time_point last;
  bool draining = false;
  std::optional<Later> later;
  const auto write = [&](const v1::SubscribeRequest& message) { stream->Write(message); };
  if (work->count() > 0) later.emplace(*work, write);
  ResponseArena arena;
  while (true) {
    v1::SubscribeResponse& response = arena.Make();
    if (!stream->Read(&response)) break;
    if (!response.has_deliveries()) continue;
    const auto now = Clock::now();
    if (report.events == 0) {
      first = last = now;
      if (options.gateway_pid > 0) report.before = UsageOf(options.gateway_pid);
    }
    v1::SubscribeRequest acks;
    for (const v1::Delivery& delivery : response.deliveries().items()) {
      report.bytes += delivery.event().data().size();
      acks.add_ack(delivery.delivery_id());
    }
    report.events += static_cast<std::uint64_t>(acks.ack_size());
    report.latency.Record(now - last);
    last = now;
    if (!draining && options.events > 0 && report.events >= options.events) {
      draining = true;
      acks.set_drain(true);
    }
    later.has_value() ? later->Give(std::move(acks)) : write(acks);
  }
  later.reset();
  const grpc::Status status = stream->Finish();
  if (!status.ok() && status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) {
    report.errors[Describe(status)] = 1;
  }
  if (options.gateway_pid > 0) report.after = UsageOf(options.gateway_pid);
  report.took = last - first;
  return report;
}

}  // namespace sidebus::cli
