#include "server/subscribe/retry_policy.h"

#include <algorithm>

namespace sidebus {

Duration BackoffAfter(const RetryPolicy& policy, std::uint32_t attempt, std::mt19937_64& random) {
  Duration backoff = policy.min_backoff;
  for (std::uint32_t n = 1; n < attempt && backoff < policy.max_backoff; ++n) backoff *= 2;
  backoff = std::min(backoff, policy.max_backoff);
  // In thousandths, by hand: std::uniform_*_distribution differs between standard libraries, and a
  // simulation must replay everywhere.
  const auto thousandths = static_cast<std::int64_t>(800 + random() % 401);
  return Duration(backoff.count() / 1000 * thousandths);
}

RetryPolicy NarrowRetryPolicy(const RetryPolicy& configured, const RetryPolicy& wanted,
                              Duration max_delay) {
  RetryPolicy result = configured;
  if (wanted.max_attempts > 0) {
    result.max_attempts = std::min(configured.max_attempts, wanted.max_attempts);
  }
  if (wanted.max_backoff > Duration(0)) result.max_backoff = wanted.max_backoff;
  if (wanted.min_backoff > Duration(0)) {
    result.min_backoff = wanted.min_backoff;
    if (wanted.max_backoff == Duration(0)) {
      result.max_backoff = std::max(result.max_backoff, result.min_backoff);
    }
  }
  result.max_backoff = std::min(result.max_backoff, max_delay);
  result.min_backoff = std::min(result.min_backoff, result.max_backoff);
  if (wanted.on_exhausted.has_value()) result.on_exhausted = wanted.on_exhausted;
  return result;
}

}  // namespace sidebus
