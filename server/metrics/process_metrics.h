#pragma once

#include "server/metrics/metrics.h"

namespace sidebus {

// Registers the standard process metrics (process_cpu_seconds_total, process_resident_memory_bytes,
// process_open_fds, process_max_fds, process_threads, process_start_time_seconds), read from /proc
// at each scrape, and sidebus_log_messages_total.
void AddProcessMetrics(Metrics& metrics);

}  // namespace sidebus
