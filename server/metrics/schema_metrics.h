#pragma once

#include "server/metrics/metrics.h"

namespace sidebus {

// Counts questions about schemas, sidebus_schema_requests_total, by what was asked and how it went.
// Copies count the same series; a default-constructed one counts nothing.
//
// Thread safety: all methods may be called from any thread. Lives no longer than the Metrics.
struct SchemaMetrics {
  struct Question {
    Counter hit;      // answered from memory, or by waiting for a request that was under way
    Counter miss;     // the registry was asked, and answered
    Counter error;    // the registry was asked in vain, or not asked because it is down
    Counter timeout;  // the same: it did not answer in time
  };
  Question find;         // the text of an id
  Question registering;  // a text: its id
  Question lookup;       // the id of a text that is registered

  SchemaMetrics() = default;
  explicit SchemaMetrics(Metrics& metrics);
};

}  // namespace sidebus
