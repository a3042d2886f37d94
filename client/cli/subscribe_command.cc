#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "client/cli/duration.h"
#include "client/cli/endpoint.h"
#include "client/cli/output.h"
#include "fmt/format.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;
using google::protobuf::util::TimeUtil;
using std::chrono::steady_clock;

struct SubscribeFlags {
  std::optional<std::string> endpoint;
  std::vector<std::string> types;
  std::string group;
  std::vector<std::string> topics;
  std::string from;
  std::string ack = "auto";
  std::uint64_t max = 0;
  std::string format = "text";
  std::string exit_when_idle;
  std::uint32_t window = 0;
  std::string ordering = "key";
  std::string lease;
  std::string member;
};

std::atomic<bool> g_stop{false};

// One run of the verb: a stream, and after a lost one the next.
class Subscribing {
 public:
  explicit Subscribing(const SubscribeFlags& flags) : flags_(flags) {}

  int Run() {
    auto channel = Connect(flags_.endpoint);
    if (!channel.ok()) return Usage(std::string(channel.status().message()));
    stub_ = v1::EventBus::NewStub(*channel);
    if (std::string problem = FillStart(); !problem.empty()) return Usage(problem);
    std::signal(SIGINT, [](int) { g_stop = true; });
    std::signal(SIGTERM, [](int) { g_stop = true; });
    last_event_ = steady_clock::now();
    for (std::string told; !g_stop;) {
      started_ = false;
      const grpc::Status status = RunStream();
      if (status.ok()) return IdleWithoutBroker() ? 1 : 0;
      const std::string why = Describe(status);
      if (g_stop || !IsWorthARetry(status)) {
        PrintError("subscribe", why);
        return 1;
      }
      if (IsIdle()) {
        PrintError("subscribe", why + "; nothing has come for " + flags_.exit_when_idle);
        return 1;
      }
      if (started_ || why != told) {
        fmt::print(stderr, "sidebus subscribe: {}; trying again\n", why);
        told = why;
      }
      Pause(std::clamp(RetryDelay(status).value_or(kShortestPause), kShortestPause, kLongestPause));
      // The channel connects again by itself.
      (*channel)->WaitForConnected(std::chrono::system_clock::now() + kConnectPatience);
    }
    return 1;
  }

 private:
  static constexpr std::chrono::milliseconds kShortestPause{200};
  static constexpr std::chrono::milliseconds kLongestPause{60'000};
  static constexpr std::chrono::seconds kConnectPatience{1};
  static constexpr useconds_t kLookMicros = 20'000;

  int Usage(const std::string& problem) {
    PrintError("subscribe", problem);
    return 2;
  }

  // A gateway that goes away cancels what it can no longer answer.
  static bool IsWorthARetry(const grpc::Status& status) {
    return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
           status.error_code() == grpc::StatusCode::CANCELLED || RetryDelay(status).has_value();
  }

  // Less when there is nothing more to wait for.
  void Pause(std::chrono::milliseconds pause) const {
    const auto until = steady_clock::now() + pause;
    while (!g_stop && !IsIdle() && steady_clock::now() < until) usleep(kLookMicros);
  }

  bool IsIdle() const { return idle_ && steady_clock::now() - last_event_.load() >= *idle_; }

  // Nothing came, because nothing could.
  bool IdleWithoutBroker() const {
    if (!idle_ || taken_ > 0) return false;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(3));
    v1::DescribeResponse described;
    if (!stub_->Describe(&context, {}, &described).ok()) return false;
    if (described.condition().broker_reachable()) return false;
    PrintError("subscribe", "nothing came, and the gateway reaches no Kafka broker");
    return true;
  }

  std::string FillStart() {
    v1::SubscribeStart& start = *start_.mutable_start();
    start.set_group(flags_.group);
    start.set_member(flags_.member);
    for (const std::string& type : flags_.types) start.add_event_types(type);
    for (const std::string& topic : flags_.topics) start.add_topics(topic);
    if (flags_.window > 0) start.mutable_window()->set_events(flags_.window);
    if (flags_.ordering == "partition") start.set_ordering(v1::ORDERING_BY_PARTITION);
    if (flags_.ordering == "none") start.set_ordering(v1::ORDERING_UNORDERED);
    if (flags_.from == "earliest") start.mutable_start_from()->set_earliest(true);
    if (flags_.from == "latest") start.mutable_start_from()->set_latest(true);
    if (!flags_.from.empty() && !start.has_start_from() &&
        !TimeUtil::FromString(flags_.from, start.mutable_start_from()->mutable_time())) {
      return "--from `" + flags_.from +
             "`: write earliest, latest, or a time like 2026-01-31T12:00:00Z";
    }
    if (!flags_.lease.empty()) {
      const auto lease = ParseDuration(flags_.lease);
      if (!lease) return "--lease `" + flags_.lease + "`: write a duration like 30s";
      *start.mutable_lease() = TimeUtil::MillisecondsToDuration(lease->count());
    }
    if (!flags_.exit_when_idle.empty()) {
      idle_ = ParseDuration(flags_.exit_when_idle);
      if (!idle_) {
        return "--exit-when-idle `" + flags_.exit_when_idle + "`: write a duration like 5s";
      }
    }
    return "";
  }

  grpc::Status RunStream() {
    grpc::ClientContext context;
    auto stream = stub_->Subscribe(&context);
    const auto write = [&stream, this](const v1::SubscribeRequest& request) {
      std::lock_guard lock(write_mu_);
      return stream->Write(request);
    };
    write(start_);
    std::atomic<bool> ended{false};
    // Asks for the end when a signal, the idle time or the count says so.
    std::thread watcher([&] {
      bool asked = false;
      while (!ended) {
        if (!asked && WantsToEnd()) {
          asked = true;
          v1::SubscribeRequest drain;
          drain.set_drain(true);
          write(drain);
          if (flags_.ack == "none") {
            std::lock_guard lock(write_mu_);
            stream->WritesDone();
          }
        }
        usleep(kLookMicros);
      }
    });
    v1::SubscribeResponse response;
    while (stream->Read(&response)) {
      if (response.has_started()) {
        started_ = true;
        last_event_ = steady_clock::now();
      }
      if (response.has_deliveries()) {
        v1::SubscribeRequest acks;
        for (const v1::Delivery& delivery : response.deliveries().items()) Take(delivery, acks);
        std::fflush(stdout);
        if (acks.ack_size() + acks.nack_size() > 0) write(acks);
      }
      for (const std::string& topic : response.heartbeat().missing_topics()) {
        if (!missing_.insert(topic).second) continue;
        fmt::print(stderr, "sidebus subscribe: topic {} does not exist, and is waited for\n",
                   Printable(topic));
      }
      for (const v1::SettleFailure& failure : response.settle_result().failures()) {
        PrintError("subscribe", Describe(failure.error()));
      }
    }
    ended = true;
    watcher.join();
    return stream->Finish();
  }

  bool WantsToEnd() const {
    if (g_stop || (flags_.max > 0 && taken_ >= flags_.max)) return true;
    return started_ && IsIdle();
  }

  // Prints a delivery, and acks it unless it is beyond --max: such a one goes back.
  void Take(const v1::Delivery& delivery, v1::SubscribeRequest& acks) {
    if (flags_.max > 0 && taken_ >= flags_.max) {
      v1::Nack& nack = *acks.add_nack();
      nack.set_delivery_id(delivery.delivery_id());
      nack.set_not_counted(true);
      return;
    }
    ++taken_;
    last_event_ = steady_clock::now();
    Print(delivery);
    if (flags_.ack == "auto") acks.add_ack(delivery.delivery_id());
  }

  void Print(const v1::Delivery& delivery) const {
    const v1::Event& event = delivery.event();
    if (flags_.format == "json") {
      fmt::print("{}\n", ToJson(delivery));
    } else if (flags_.format == "data") {
      std::fwrite(event.data().data(), 1, event.data().size(), stdout);
      std::fputc('\n', stdout);
    } else {
      const v1::Position& at = delivery.position();
      const auto& time = event.has_time() ? event.time() : delivery.broker_time();
      fmt::print("{}  {}  {}/{}@{}  key={}{}  {}\n", TimeUtil::ToString(time),
                 Printable(event.type()), at.topic(), at.partition(), at.offset(),
                 event.has_key() ? Printable(event.key()) : "-",
                 delivery.attempt() > 1 ? fmt::format("  attempt={}", delivery.attempt()) : "",
                 event.has_data() ? Printable(OneLineOfJson(event.data(), event.content_type()))
                                  : "(tombstone)");
    }
  }

  const SubscribeFlags& flags_;
  std::unique_ptr<v1::EventBus::Stub> stub_;
  v1::SubscribeRequest start_;
  std::optional<std::chrono::milliseconds> idle_;
  std::mutex write_mu_;
  std::set<std::string> missing_;  // topics that were said to be
  std::atomic<bool> started_{false};
  std::atomic<std::uint64_t> taken_{0};
  std::atomic<steady_clock::time_point> last_event_{};
};

}  // namespace

void AddSubscribeCommand(CLI::App& app, int& exit_code) {
  CLI::App* subscribe = app.add_subcommand("subscribe", "Receive events and print them");
  auto flags = std::make_shared<SubscribeFlags>();
  subscribe->add_option("types", flags->types, "Event types");
  subscribe->add_option("--group", flags->group,
                        "Consumer group (default: broadcast, nothing is committed)");
  subscribe->add_option("--topic", flags->topics, "Topic without prefix; may be repeated")
      ->allow_extra_args(false);
  subscribe->add_option("--from", flags->from,
                        "Where a new group starts: earliest, latest, or a time (RFC 3339)");
  subscribe->add_option("--ack", flags->ack, "auto, or none to hold everything")
      ->check(CLI::IsMember({"auto", "none"}));
  subscribe->add_option("--max", flags->max, "End after so many events");
  subscribe->add_option("--format,--output", flags->format, "text, json or data")
      ->check(CLI::IsMember({"text", "json", "data"}));
  subscribe->add_option("--exit-when-idle", flags->exit_when_idle,
                        "End when nothing has come for so long, for example 5s");
  subscribe->add_option("--window", flags->window, "Events to hold unsettled at most");
  subscribe->add_option("--ordering", flags->ordering, "key, partition or none")
      ->check(CLI::IsMember({"key", "partition", "none"}));
  subscribe->add_option("--lease", flags->lease, "How long an event may be held, for example 60s");
  subscribe->add_option("--member", flags->member, "Name of this subscriber, for the logs");
  subscribe->add_option("--endpoint", flags->endpoint,
                        "Gateway, host:port or unix:/path (default: $SIDEBUS_ENDPOINT, else "
                        "127.0.0.1:7420)");
  subscribe->footer(
      "Ends cleanly on Ctrl-C: what was printed is acked and committed. A lost gateway is waited\n"
      "for. Streams of one group should name the same types: what none of them names is passed\n"
      "over. In JSON, key and data are base64: jq '.event.data | @base64d | fromjson'.\n"
      "\n"
      "Examples:\n"
      "  sidebus subscribe order.created --group billing --from earliest\n"
      "  sidebus subscribe --topic orders --format json --exit-when-idle 5s");
  subscribe->callback([flags, &exit_code] { exit_code = Subscribing(*flags).Run(); });
}

}  // namespace sidebus::cli
