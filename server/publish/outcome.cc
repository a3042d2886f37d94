#include "server/publish/outcome.h"

#include <utility>

#include "server/base/error.h"

namespace sidebus {
namespace {

void AppendTopic(std::string& list, const std::string& topic) {
  if (!list.empty()) list += ',';
  list += topic;
}

}  // namespace

absl::Status NotWritten(const absl::Status& error) {
  return WithMetadata(error, error_key::kOutcome, "not_written");
}

void OutcomeJoiner::Add(const RouteOutcome& route) {
  Badness badness = Badness::kNone;
  switch (route.fate) {
    case RouteOutcome::Fate::kWritten:
      written_somewhere_ = true;
      if (want_positions_) {
        positions_.push_back({route.lane->name, route.partition, route.offset});
      }
      return;
    case RouteOutcome::Fate::kNotWritten:
      AppendTopic(failed_topics_, route.lane->name);
      badness =
          RetryDelayOf(route.error).has_value() ? Badness::kRetryMends : Badness::kRetryIsNoUse;
      break;
    case RouteOutcome::Fate::kOpen:
    case RouteOutcome::Fate::kUnknown:
      AppendTopic(unknown_topics_, route.lane->name);
      badness = Badness::kUnknown;
      break;
  }
  if (badness > badness_) {
    badness_ = badness;
    worst_ = &route;
  }
}

PublishResult OutcomeJoiner::Take(std::string event_id) {
  PublishResult result{std::move(event_id), absl::OkStatus(), std::move(positions_)};
  if (worst_ == nullptr) return result;

  const std::string_view outcome = written_somewhere_        ? "partial"
                                   : unknown_topics_.empty() ? "not_written"
                                                             : "unknown";
  result.error = WithMetadata(worst_->error, error_key::kOutcome, outcome);
  if (!failed_topics_.empty()) {
    result.error = WithMetadata(result.error, error_key::kFailedTopics, failed_topics_);
  }
  if (!unknown_topics_.empty()) {
    result.error = WithMetadata(result.error, error_key::kUnknownTopics, unknown_topics_);
  }
  return result;
}

}  // namespace sidebus
