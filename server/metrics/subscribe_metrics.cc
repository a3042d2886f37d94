#include "server/metrics/subscribe_metrics.h"

namespace sidebus {

std::string SubscribeMetrics::GroupLabel(std::string_view group) {
  if (group.empty()) return "_broadcast";
  MutexLock lock(mu_);
  if (groups_.contains(group)) return std::string(group);
  if (groups_.size() >= max_groups_) return "_other";
  groups_.emplace(group);
  return std::string(group);
}

GroupMetrics SubscribeMetrics::ForGroup(const std::string& group_label) {
  const Labels group = {{"group", group_label}};
  const auto with = [&](std::string_view name, std::string_view value) {
    Labels labels = group;
    labels.emplace_back(name, value);
    return labels;
  };
  const auto gauge = [&](std::string_view name, std::string_view help) {
    return metrics_.AddGauge(name, help, group);
  };
  constexpr std::string_view kPaused = "sidebus_paused_partitions";
  constexpr std::string_view kPausedHelp = "Partitions that are not delivered, by reason.";
  constexpr std::string_view kRebalances = "sidebus_rebalances_total";
  constexpr std::string_view kRebalancesHelp =
      "Rebalances that assigned, revoked or lost partitions.";
  constexpr std::string_view kCommits = "sidebus_offset_commits_total";
  constexpr std::string_view kCommitsHelp = "Commits of positions, by result.";

  GroupMetrics result;
  result.subscriptions = gauge("sidebus_subscriptions", "Live subscriptions.");
  result.streams = gauge("sidebus_subscribe_streams", "Attached Subscribe streams.");
  result.held_back_keys =
      gauge("sidebus_held_back_keys", "Keys waiting behind a retried or halted event.");
  result.unsettled_events =
      gauge("sidebus_unsettled_events", "Events delivered or buffered and not settled.");
  result.unsettled_bytes =
      gauge("sidebus_unsettled_bytes", "Bytes of events delivered or buffered and not settled.");
  result.oldest_unsettled =
      gauge("sidebus_oldest_unsettled_age_seconds", "Age of the oldest unsettled event.");
  result.paused_lane_share = metrics_.AddGauge(kPaused, kPausedHelp, with("reason", "lane_share"));
  result.paused_memory = metrics_.AddGauge(kPaused, kPausedHelp, with("reason", "memory"));
  result.paused_ack_metadata =
      metrics_.AddGauge(kPaused, kPausedHelp, with("reason", "ack_metadata"));
  result.paused_cut_off = metrics_.AddGauge(kPaused, kPausedHelp, with("reason", "cut_off"));
  result.sparse_ack_use = gauge("sidebus_sparse_ack_bytes_ratio",
                                "Share of the commit metadata that sparse acks take, of the "
                                "fullest partition.");
  result.sparse_acks_truncated = metrics_.AddCounter(
      "sidebus_sparse_acks_truncated_total", "Commits whose sparse acks did not all fit.", group);
  result.last_commit =
      gauge("sidebus_last_commit_timestamp_seconds", "Time of the last successful commit.");
  result.dead_lettering = gauge("sidebus_dead_lettering_events",
                                "Events that are to be written to a dead-letter topic.");
  result.dead_letter_failures = metrics_.AddCounter(
      "sidebus_dead_letter_failures_total", "Attempts to write a dead letter that failed.", group);
  result.redriven_elsewhere = metrics_.AddCounter(
      "sidebus_redriven_elsewhere_total",
      "Events settled because they were published again for another group.", group);
  result.interruptions = metrics_.AddCounter("sidebus_interruptions_total",
                                             "Deliveries whose holder vanished.", group);
  result.assigned = metrics_.AddCounter(kRebalances, kRebalancesHelp, with("kind", "assign"));
  result.revoked = metrics_.AddCounter(kRebalances, kRebalancesHelp, with("kind", "revoke"));
  result.lost = metrics_.AddCounter(kRebalances, kRebalancesHelp, with("kind", "lost"));
  result.commits_ok = metrics_.AddCounter(kCommits, kCommitsHelp, with("result", "ok"));
  result.commits_failed = metrics_.AddCounter(kCommits, kCommitsHelp, with("result", "error"));
  return result;
}

DeliveredTypeMetrics SubscribeMetrics::ForType(const std::string& group_label,
                                               std::string_view event_type) {
  const Labels type = {{"event_type", std::string(event_type)}, {"group", group_label}};
  const auto counter = [&](std::string_view metric, std::string_view help, std::string_view label,
                           std::string_view value) {
    Labels labels = type;
    labels.emplace_back(label, value);
    return metrics_.AddCounter(metric, help, labels);
  };
  const auto delivered = [&](std::string_view redelivery) {
    return counter("sidebus_deliveries_total", "Events handed to a stream.", "redelivery",
                   redelivery);
  };
  const auto settled = [&](std::string_view result) {
    return counter("sidebus_settled_events_total", "Events settled, by result.", "result", result);
  };
  const auto returned = [&](std::string_view why) {
    return counter("sidebus_returned_deliveries_total", "Deliveries that came back unsettled.",
                   "why", why);
  };

  DeliveredTypeMetrics result;
  result.first_deliveries = delivered("false");
  result.redeliveries = delivered("true");
  result.settled_ack = settled("ack");
  result.settled_reject = settled("reject");
  result.settled_skip = settled("skip");
  result.settled_exhausted = settled("exhausted");
  result.settled_unwanted = settled("unwanted");
  result.unwanted =
      metrics_.AddCounter("sidebus_unwanted_events_total",
                          "Events settled because no stream of the group names the type.", type);
  result.returned_nack = returned("nack");
  result.returned_lease = returned("lease");
  result.returned_stream_gone = returned("stream_gone");
  result.returned_revoked = returned("revoked");
  result.processing = metrics_.AddHistogram("sidebus_processing_duration_seconds",
                                            "Delivery to ack.", buckets::kAge, type);
  result.age = metrics_.AddHistogram("sidebus_event_age_seconds",
                                     "Record timestamp to first delivery.", buckets::kAge, type);
  return result;
}

ConsumedTopicMetrics SubscribeMetrics::ForTopic(const std::string& group_label,
                                                std::string_view topic) {
  const Labels labels = {{"group", group_label}, {"topic", std::string(topic)}};
  ConsumedTopicMetrics result;
  result.lag_events =
      metrics_.AddGauge("sidebus_consumer_lag_events",
                        "End offset less ack floor, over assigned partitions.", labels);
  result.lag_seconds =
      metrics_.AddGauge("sidebus_consumer_lag_seconds",
                        "Age of the next record that is not settled; 0 when there is none, or when "
                        "none was read yet.",
                        labels);
  result.assigned_partitions = metrics_.AddGauge("sidebus_assigned_partitions",
                                                 "Partitions assigned to this process.", labels);
  return result;
}

Counter SubscribeMetrics::DeadLettered(const std::string& group_label, std::string_view event_type,
                                       std::string_view reason) {
  return metrics_.AddCounter("sidebus_dead_lettered_events_total",
                             "Events written to the dead-letter topic, by reason.",
                             {{"event_type", std::string(event_type)},
                              {"group", group_label},
                              {"reason", std::string(reason)}});
}

Counter SubscribeMetrics::LostToRetention(const std::string& group_label, std::string_view topic) {
  return metrics_.AddCounter("sidebus_events_lost_to_retention_total",
                             "Positions that retention overtook.",
                             {{"group", group_label}, {"topic", std::string(topic)}});
}

Counter SubscribeMetrics::Undecodable(std::string_view topic, std::string_view reason) {
  return metrics_.AddCounter("sidebus_undecodable_records_total",
                             "Records that could not be decoded.",
                             {{"topic", std::string(topic)}, {"reason", std::string(reason)}});
}

}  // namespace sidebus
