#pragma once

#include <cstdint>
#include <string>

#include "tests/bench/kafka_client.h"

namespace sidebus::bench {

struct DirectOptions {
  std::string topic;
  std::uint64_t count = 100'000;
  std::size_t size = 512;       // bytes of data per event
  std::uint64_t in_flight = 0;  // produced and not reported; 0: as many as the client's queue takes
  Properties properties;
};

// Produces `count` records with the headers that the gateway would write, and waits for every
// delivery report. Returns a report as JSON; latencies are from the call to the delivery report and
// are measured only with a bound on what is in flight.
std::string DirectProduce(const DirectOptions& options);

// Reads `count` records and their headers in batches, as member of a group, storing and committing
// offsets.
std::string DirectConsume(const DirectOptions& options);

}  // namespace sidebus::bench
