#pragma once

#include <random>

#include "server/subscribe/subscriber.h"

namespace sidebus {

// How long a failed delivery waits before the next one: min_backoff after the first attempt, twice
// as long after each further one, at most max_backoff, then ±20 % jitter from `random`.
Duration BackoffAfter(const RetryPolicy& policy, std::uint32_t attempt, std::mt19937_64& random);

// A client's policy with what it left open taken from the configured one. It may lower
// max_attempts, not raise it; backoffs are at most `max_delay`.
RetryPolicy NarrowRetryPolicy(const RetryPolicy& configured, const RetryPolicy& wanted,
                              Duration max_delay);

}  // namespace sidebus
