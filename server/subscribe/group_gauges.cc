#include "server/subscribe/group_gauges.h"

#include <algorithm>

namespace sidebus {
namespace {

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double Number(std::uint64_t number) { return static_cast<double>(number); }

void Add(SubscriptionFigures& sum, const SubscriptionFigures& figures) {
  sum.streams += figures.streams;
  sum.held_back += figures.held_back;
  sum.dead_lettering += figures.dead_lettering;
  sum.unsettled += figures.unsettled;
  sum.unsettled_bytes += figures.unsettled_bytes;
  sum.paused_lane_share += figures.paused_lane_share;
  sum.paused_memory += figures.paused_memory;
  sum.paused_ack_metadata += figures.paused_ack_metadata;
  sum.paused_cut_off += figures.paused_cut_off;
  sum.sparse_ack_use = std::max(sum.sparse_ack_use, figures.sparse_ack_use);
  sum.oldest_unsettled = std::max(sum.oldest_unsettled, figures.oldest_unsettled);
  sum.last_commit = std::max(sum.last_commit, figures.last_commit);
  for (const auto& [topic, figure] : figures.topics) {
    SubscriptionFigures::Topic& total = sum.topics[topic];
    total.partitions += figure.partitions;
    total.lag_events += figure.lag_events;
    total.lag = std::max(total.lag, figure.lag);
  }
}

}  // namespace

void GroupGauges::Set(const std::vector<SubscriptionFigures>& subscriptions) {
  std::map<std::string, SubscriptionFigures> sums;
  std::map<std::string, std::size_t> live;
  for (const SubscriptionFigures& figures : subscriptions) {
    Add(sums[figures.group_label], figures);
    if (figures.live) ++live[figures.group_label];
    if (groups_.contains(figures.group_label)) continue;
    groups_.emplace(figures.group_label, metrics_.ForGroup(figures.group_label));
  }
  for (auto& [label, gauges] : groups_) {
    const SubscriptionFigures& sum = sums[label];
    gauges.subscriptions.Set(Number(live[label]));
    gauges.streams.Set(Number(sum.streams));
    gauges.held_back_keys.Set(Number(sum.held_back));
    gauges.dead_lettering.Set(Number(sum.dead_lettering));
    gauges.unsettled_events.Set(Number(sum.unsettled));
    gauges.unsettled_bytes.Set(Number(sum.unsettled_bytes));
    gauges.paused_lane_share.Set(Number(sum.paused_lane_share));
    gauges.paused_memory.Set(Number(sum.paused_memory));
    gauges.paused_ack_metadata.Set(Number(sum.paused_ack_metadata));
    gauges.paused_cut_off.Set(Number(sum.paused_cut_off));
    gauges.sparse_ack_use.Set(sum.sparse_ack_use);
    gauges.oldest_unsettled.Set(Seconds(sum.oldest_unsettled));
    if (sum.last_commit != SystemTime()) {
      gauges.last_commit.Set(Seconds(sum.last_commit.time_since_epoch()));
    }
    for (const auto& [topic, figure] : sum.topics) {
      const auto key = std::pair(label, topic);
      if (!topics_.contains(key)) topics_.emplace(key, metrics_.ForTopic(label, topic));
    }
  }
  for (auto& [key, gauges] : topics_) {
    const SubscriptionFigures::Topic& topic = sums[key.first].topics[key.second];
    gauges.lag_events.Set(Number(topic.lag_events));
    gauges.lag_seconds.Set(Seconds(topic.lag));
    gauges.assigned_partitions.Set(Number(topic.partitions));
  }
}

}  // namespace sidebus
