#include "client/cli/bench_subscribe.h"

#include <memory>

#include "client/cli/endpoint.h"
#include "client/cli/output.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus::cli {

namespace v1 = ::sidebus::v1;
using Clock = std::chrono::steady_clock;

absl::StatusOr<BenchReport> BenchSubscribe(const BenchSubscribeOptions& options) {
  auto channel = Connect(options.endpoint);
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
  v1::SubscribeResponse response;
  bool draining = false;
  while (stream->Read(&response)) {
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
    stream->Write(acks);
  }
  const grpc::Status status = stream->Finish();
  if (!status.ok() && status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) {
    report.errors[Describe(status)] = 1;
  }
  if (options.gateway_pid > 0) report.after = UsageOf(options.gateway_pid);
  report.took = last - first;
  return report;
}

}  // namespace sidebus::cli
