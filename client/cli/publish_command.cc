#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/commands.h"
#include "client/cli/endpoint.h"
#include "client/cli/output.h"
#include "fmt/format.h"
#include "sidebus/v1/event_bus.grpc.pb.h"

namespace sidebus::cli {
namespace {

namespace v1 = ::sidebus::v1;

// Of one request, unless the gateway takes less.
constexpr std::size_t kBatch = 100;
constexpr std::size_t kBatchBytes = 1 << 20;

struct PublishFlags {
  std::optional<std::string> endpoint;
  std::string type;
  std::optional<std::string> data;
  std::optional<std::string> file;
  std::optional<std::string> key;
  std::vector<std::string> headers;
  std::vector<std::string> extensions;
  std::optional<std::string> id;
  std::optional<std::string> source;
  std::optional<std::string> subject;
  std::string content_type = "application/json";
  std::string topic;
  bool ndjson = false;
  bool tombstone = false;
  std::uint64_t count = 1;
  double rate = 0;
  double timeout = 30;
  std::string output = "text";
};

// "name=value"; the value may contain "=".
bool Split(const std::string& pair, std::string& name, std::string& value) {
  const std::size_t equals = pair.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  name = pair.substr(0, equals);
  value = pair.substr(equals + 1);
  return true;
}

// CLI11's own lets "nan" pass.
CLI::Validator Positive() {
  return CLI::Validator(
      [](std::string& text) {
        double number = 0;
        const bool ok = CLI::detail::lexical_cast(text, number) && number > 0 && number <= 1e6;
        return ok ? std::string() : text + " is no number above 0 and up to 1000000";
      },
      "NUMBER");
}

// Publishes batches and prints what became of each event.
class Publishing {
 public:
  explicit Publishing(const PublishFlags& flags) : flags_(flags) {}

  int Run() {
    auto channel = Connect(flags_.endpoint);
    if (!channel.ok()) return Usage(std::string(channel.status().message()));
    stub_ = v1::EventBus::NewStub(*channel);
    std::ios::sync_with_stdio(false);  // or standard input cannot say whether more is there
    if (std::string problem = CheckData(); !problem.empty()) return Usage(problem);
    if (std::string problem = FillTemplate(); !problem.empty()) return Usage(problem);
    if (flags_.ndjson || flags_.count > 1) AskForLimits();
    started_ = std::chrono::steady_clock::now();
    const bool read = flags_.ndjson ? PublishLines() : PublishOne();
    if (read) Send();
    if (flags_.ndjson && isatty(STDERR_FILENO) != 0) fmt::print(stderr, "\n");
    return read && failed_ == 0 ? 0 : read_error_ ? 2 : 1;
  }

 private:
  int Usage(const std::string& problem) {
    PrintError("publish", problem);
    return 2;
  }

  // A gateway that does not answer says why when it is published to.
  void AskForLimits() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    v1::DescribeResponse response;
    if (!stub_->Describe(&context, {}, &response).ok()) return;
    const v1::Limits& limits = response.limits();
    batch_ = std::clamp<std::size_t>(limits.max_events_per_request(), 1, kBatch);
    batch_bytes_ = std::min<std::size_t>(limits.max_request_bytes() / 2, kBatchBytes);
  }

  // What is wrong with where the data is to come from.
  std::string CheckData() const {
    const bool literal = flags_.data && *flags_.data != "-";
    if (flags_.tombstone && (flags_.data || flags_.file || flags_.ndjson)) {
      return "--tombstone is an event without data: give none";
    }
    if (flags_.ndjson && flags_.count != 1) return "--ndjson publishes each line once: no --count";
    if (flags_.ndjson && literal) return "--ndjson reads lines: give -f FILE, or - and a pipe";
    const bool from_terminal =
        !flags_.tombstone && !flags_.data && !flags_.file && isatty(STDIN_FILENO) != 0;
    if (from_terminal) return "no data: give it as an argument, with -f FILE, or - and a pipe";
    return "";
  }

  std::string FillTemplate() {
    template_.set_type(flags_.type);
    template_.set_content_type(flags_.content_type);
    if (flags_.key) template_.set_key(*flags_.key);
    if (flags_.id) template_.set_id(*flags_.id);
    if (flags_.source) template_.set_source(*flags_.source);
    if (flags_.subject) template_.set_subject(*flags_.subject);
    std::string name;
    std::string value;
    for (const std::string& pair : flags_.headers) {
      if (!Split(pair, name, value)) return "--header `" + pair + "`: write NAME=VALUE";
      v1::Header& header = *template_.add_headers();
      header.set_name(name);
      header.set_value(value);
    }
    for (const std::string& pair : flags_.extensions) {
      if (!Split(pair, name, value)) return "--ext `" + pair + "`: write NAME=VALUE";
      (*template_.mutable_extensions())[name] = value;
    }
    return "";
  }

  bool PublishOne() {
    v1::Event event = template_;
    if (!flags_.tombstone) {
      std::string data;
      if (!ReadAll(data)) return false;
      event.set_data(std::move(data));
    }
    for (std::uint64_t i = 0; i < flags_.count && !stopped_; ++i) Add(event);
    return true;
  }

  bool PublishLines() {
    std::ifstream file;
    std::istream* in = Open(file);
    if (in == nullptr) return false;
    std::string line;
    for (std::uint64_t number = 1; !stopped_ && std::getline(*in, line); ++number) {
      if (line.empty()) continue;
      v1::Event event = template_;
      event.set_data(std::move(line));
      Add(event, number);
      // The next line may be long in coming.
      if (in->rdbuf()->in_avail() <= 0) Send();
    }
    return !ReadFailed(*in);
  }

  bool ReadFailed(const std::istream& in) {
    if (!in.bad()) return false;
    PrintError("publish", "cannot read " + flags_.file.value_or("standard input"));
    read_error_ = true;
    return true;
  }

  std::istream* Open(std::ifstream& file) {
    const std::string path = flags_.file.value_or("-");
    if (path == "-") return &std::cin;
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) file.open(path, std::ios::binary);
    if (file.is_open()) return &file;
    PrintError("publish", "cannot read the file `" + path + "`");
    read_error_ = true;
    return nullptr;
  }

  bool ReadAll(std::string& data) {
    if (flags_.data && *flags_.data != "-") {
      data = *flags_.data;
      return true;
    }
    std::ifstream file;
    std::istream* in = Open(file);
    if (in == nullptr) return false;
    std::ostringstream text;
    text << in->rdbuf();
    data = text.str();
    if (ReadFailed(*in)) return false;
    if (!data.empty() || flags_.data || flags_.file) return true;
    PrintError("publish", "no data: standard input is empty; for an event without data, say -");
    read_error_ = true;
    return false;
  }

  // `line` of the input; 0: there are none.
  void Add(const v1::Event& event, std::uint64_t line = 0) {
    const std::size_t bytes = event.ByteSizeLong();
    if (bytes_ + bytes > batch_bytes_) Send();
    if (stopped_) return;
    *request_.add_events() = event;
    bytes_ += bytes;
    if (line > 0) lines_.push_back(line);
    ++added_;
    const std::size_t batch = flags_.rate > 0 ? 1 : batch_;
    if (static_cast<std::size_t>(request_.events_size()) < batch) return;
    Send();
    if (flags_.rate > 0) PaceTo(static_cast<double>(added_) / flags_.rate);
  }

  void PaceTo(double seconds) {
    const auto due = started_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                    std::chrono::duration<double>(seconds));
    std::this_thread::sleep_until(due);
  }

  void Send() {
    if (request_.events_size() == 0) return;
    request_.set_topic(flags_.topic);
    grpc::ClientContext context;
    context.set_wait_for_ready(false);
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::milliseconds(static_cast<int>(flags_.timeout * 1000)));
    v1::PublishResponse response;
    const grpc::Status status = stub_->Publish(&context, request_, &response);
    if (!status.ok()) {
      failed_ += static_cast<std::uint64_t>(request_.events_size());
      stopped_ = true;
      PrintError("publish", Describe(status));
    }
    for (int i = 0; i < response.results_size(); ++i) {
      const auto index = static_cast<std::size_t>(i);
      Print(response.results(i), index < lines_.size() ? lines_[index] : 0);
    }
    std::fflush(stdout);  // whoever reads it may wait for it
    request_.Clear();
    bytes_ = 0;
    lines_.clear();
    if (flags_.ndjson && isatty(STDERR_FILENO) != 0) {
      fmt::print(stderr, "\r{} published, {} failed", added_ - failed_, failed_);
    }
  }

  // `line` of the input; 0: there are none.
  void Print(const v1::PublishResult& result, std::uint64_t line) {
    if (result.has_error()) {
      ++failed_;
      const std::string which = line > 0 ? fmt::format("line {}: ", line)
                                : result.event_id().empty()
                                    ? ""
                                    : fmt::format("event {}: ", Printable(result.event_id()));
      PrintError("publish", which + Describe(result.error()));
    }
    if (flags_.output == "json") {
      fmt::print("{}\n", ToJson(result));
      return;
    }
    for (const v1::Position& position : result.positions()) {
      fmt::print("{}/{}@{}  {}\n", position.topic(), position.partition(), position.offset(),
                 Printable(result.event_id()));
    }
  }

  const PublishFlags& flags_;
  std::unique_ptr<v1::EventBus::Stub> stub_;
  v1::Event template_;
  v1::PublishRequest request_;
  std::size_t bytes_ = 0;             // of its events
  std::vector<std::uint64_t> lines_;  // of the request's events, with --ndjson
  std::size_t batch_ = kBatch;
  std::size_t batch_bytes_ = kBatchBytes;
  std::chrono::steady_clock::time_point started_;
  std::uint64_t added_ = 0;
  std::uint64_t failed_ = 0;
  bool stopped_ = false;
  bool read_error_ = false;
};

}  // namespace

void AddPublishCommand(CLI::App& app, int& exit_code) {
  CLI::App* publish = app.add_subcommand("publish", "Publish events of a type");
  auto flags = std::make_shared<PublishFlags>();
  publish->add_option("type", flags->type, "Event type")->required();
  CLI::Option* data =
      publish->add_option("data", flags->data, "Data of the event; - for standard input");
  publish->add_option("-f,--file", flags->file, "Read the data from a file; - for standard input")
      ->type_name("FILE")
      ->excludes(data);
  publish->add_option("--key", flags->key, "Record key (default: by the route's key field)");
  publish->add_option("--header", flags->headers, "Record header NAME=VALUE; may be repeated")
      ->allow_extra_args(false);
  publish
      ->add_option("--ext", flags->extensions, "CloudEvents extension NAME=VALUE; may be repeated")
      ->allow_extra_args(false);
  publish->add_option("--id", flags->id, "CloudEvents id (default: a UUID)");
  publish->add_option("--source", flags->source, "CloudEvents source");
  publish->add_option("--subject", flags->subject, "CloudEvents subject");
  publish->add_option("--content-type", flags->content_type, "Media type of the data");
  publish->add_option("--topic", flags->topic, "Only to this one of the type's topics");
  publish->add_flag("--ndjson", flags->ndjson, "One event per line of the file or standard input");
  publish->add_flag("--tombstone", flags->tombstone, "No data at all (a Kafka tombstone)");
  publish->add_option("--count", flags->count, "Publish the event so many times")
      ->check(CLI::PositiveNumber);
  publish->add_option("--rate", flags->rate, "Events per second (default: as fast as they go)")
      ->check(Positive());
  publish->add_option("--timeout", flags->timeout, "Seconds to wait for an answer")
      ->check(Positive());
  publish->add_option("--output", flags->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  publish->add_option("--endpoint", flags->endpoint,
                      "Gateway, host:port or unix:/path (default: $SIDEBUS_ENDPOINT, else "
                      "127.0.0.1:7420)");
  publish->footer(
      "Prints topic/partition@offset and the id of each event that is in Kafka. Exit codes: 0 all\n"
      "published, 1 some were not (each is printed with its reason), 2 wrong usage.\n"
      "\n"
      "Examples:\n"
      "  sidebus publish order.created '{\"order\": {\"id\": \"42\"}}' --key 42\n"
      "  sidebus publish order.created --ndjson -f orders.ndjson");
  publish->callback([flags, &exit_code] { exit_code = Publishing(*flags).Run(); });
}

}  // namespace sidebus::cli
