#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "server/base/clock.h"

namespace sidebus {

// How requests are made, and how much they may take.
struct HttpOptions {
  // From Send() to the end of the answer, waiting and connecting included.
  Duration timeout = std::chrono::seconds(2);
  // PEM certificates to trust, and no others; empty: those of the system.
  std::string ca_file;
  // Basic authentication; both or none. They are read for each request, so that what is in them may
  // change. They go to the host of the URL alone.
  std::string username_file;
  std::string password_file;
  // Requests and connections at a time; the others wait.
  std::size_t max_under_way = 8;
  // Requests that are not answered, under way or waiting; more are refused.
  std::size_t max_open = 1024;
  // A larger answer is an error. Its head may be 64 KiB.
  std::size_t max_answer_bytes = 1024 * 1024;
};

}  // namespace sidebus
