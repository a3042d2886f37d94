#include <array>
#include <chrono>
#include <memory>
#include <optional>

#include "tests/bench/direct.h"
#include "tests/bench/report.h"

namespace sidebus::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Headers = std::unique_ptr<rd_kafka_headers_t, Deleter<rd_kafka_headers_destroy>>;

struct InFlight;

// State of the one thread that produces and, inside rd_kafka_poll, receives the reports.
struct Run {
  std::uint64_t reported = 0;
  std::uint64_t failed = 0;
  std::vector<InFlight*> free;  // places for records; empty where latency is not measured
  Report report;
};

// The opaque of a record. Measuring has a place for each one in flight, and so allocates nothing.
struct InFlight {
  Run* run = nullptr;
  std::optional<Clock::time_point> produced;
};

void OnReport(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  auto& record = *static_cast<InFlight*>(message->_private);
  ++record.run->reported;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++record.run->failed;
  if (!record.produced.has_value()) return;
  record.run->report.AddLatency(Clock::now() - *record.produced);
  record.run->free.push_back(&record);
}

Headers EventHeaders() {
  constexpr std::array<std::pair<const char*, const char*>, 6> kHeaders = {{
      {"ce_specversion", "1.0"},
      {"ce_id", "c7e2c7b6-8f7d-4c7c-9d55-0b6d7f7f2a11"},
      {"ce_source", "/bench"},
      {"ce_type", "bench.event"},
      {"ce_time", "2024-01-01T00:00:00Z"},
      {"content-type", "application/octet-stream"},
  }};
  Headers headers(rd_kafka_headers_new(kHeaders.size()));
  for (const auto& [name, value] : kHeaders) {
    rd_kafka_header_add(headers.get(), name, -1, value, -1);
  }
  return headers;
}

// Takes the record, or says that the queue is full. Throws on any other error.
bool TryProduce(rd_kafka_t* client, const std::string& topic, const std::string& data,
                InFlight& record) {
  Headers headers = EventHeaders();
  std::array<rd_kafka_vu_t, 5> fields{};
  fields[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  fields[0].u.cstr = topic.c_str();
  fields[1].vtype = RD_KAFKA_VTYPE_VALUE;
  fields[1].u.mem = {const_cast<char*>(data.data()), data.size()};
  fields[2].vtype = RD_KAFKA_VTYPE_HEADERS;
  fields[2].u.headers = headers.get();
  fields[3].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  fields[3].u.i = 0;  // `data` outlives the record: no copy, as in the gateway
  fields[4].vtype = RD_KAFKA_VTYPE_OPAQUE;
  fields[4].u.ptr = &record;

  rd_kafka_error_t* error = rd_kafka_produceva(client, fields.data(), fields.size());
  if (error == nullptr) {
    static_cast<void>(headers.release());  // the client's now
    return true;
  }
  const bool full = rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL;
  const std::string text = rd_kafka_error_string(error);
  rd_kafka_error_destroy(error);
  if (!full) throw std::runtime_error("produce: " + text);
  return false;
}

}  // namespace

std::string DirectProduce(const DirectOptions& options) {
  const Client client = MakeClient(RD_KAFKA_PRODUCER, options.properties, OnReport);
  const std::string data(options.size, 'x');

  // The first record pays for the connection, the topic's metadata and the producer id.
  Run warm_up;
  InFlight first{&warm_up, {}};
  TryProduce(client.get(), options.topic, data, first);
  while (warm_up.reported == 0) rd_kafka_poll(client.get(), 100);

  Run run;
  InFlight unmeasured{&run, {}};
  std::vector<InFlight> places(options.in_flight, InFlight{&run, {}});
  for (InFlight& place : places) run.free.push_back(&place);
  for (std::uint64_t i = 0; i < options.count; ++i) {
    InFlight* record = &unmeasured;
    if (!places.empty()) {
      while (run.free.empty()) rd_kafka_poll(client.get(), 100);
      record = run.free.back();
      run.free.pop_back();
      record->produced = Clock::now();
    }
    while (!TryProduce(client.get(), options.topic, data, *record)) {
      rd_kafka_poll(client.get(), 100);
    }
    if (i % 128 == 0) rd_kafka_poll(client.get(), 0);
  }
  while (run.reported < options.count) rd_kafka_poll(client.get(), 100);
  if (run.failed > 0) throw std::runtime_error(std::to_string(run.failed) + " records failed");
  return run.report.Finish(options.count, options.size);
}

}  // namespace sidebus::bench
