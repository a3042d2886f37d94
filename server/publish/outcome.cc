#include "server/publish/outcome.h"

#include <utility>

#include "fmt/format.h"
#include "server/base/error.h"

namespace sidebus {

void AppendTopic(std::string& list, const std::string& topic) {
  if (!list.empty()) list += ',';
  list += topic;
}

absl::Status NotWritten(const absl::Status& error, const std::string& failed_topics) {
  const absl::Status not_written = WithMetadata(error, error_key::kOutcome, "not_written");
  if (failed_topics.empty()) return not_written;
  return WithMetadata(not_written, error_key::kFailedTopics, failed_topics);
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
  return {std::move(event_id), worst_ == nullptr ? absl::OkStatus() : Error(),
          std::move(positions_)};
}

absl::Status OutcomeJoiner::Error() {
  const std::string& topic = worst_->lane->name;
  const absl::string_view message = worst_->error.message();
  ErrorDetails details = DetailsOf(worst_->error).value_or(ErrorDetails{});
  const auto add = [&details](std::string_view key, std::string value) {
    if (!value.empty()) details.metadata.insert_or_assign(std::string(key), std::move(value));
  };
  add(error_key::kTopic, topic);
  add(error_key::kOutcome, written_somewhere_        ? "partial"
                           : unknown_topics_.empty() ? "not_written"
                                                     : "unknown");
  add(error_key::kFailedTopics, std::move(failed_topics_));
  add(error_key::kUnknownTopics, std::move(unknown_topics_));
  return MakeError(
      details.reason,
      fmt::format("topic \"{}\": {}", topic, std::string_view(message.data(), message.size())),
      details.metadata);
}

}  // namespace sidebus
