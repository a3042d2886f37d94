#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/metrics/subscribe_metrics.h"
#include "server/routing/router.h"
#include "server/subscribe/buffered_record.h"
#include "server/subscribe/start_options.h"

namespace sidebus {

// Records of one event type on one topic that may be handed out now, and who wants them.
struct TypeQueue {
  PlaceList ready;
  std::vector<StreamState*> streams;  // that named it, in order of attachment
  SteadyTime wanted_until{};          // counts when `streams` is empty
  bool active = false;                // in DeliveryBook's round
  bool unwanted_logged = false;
  DeliveredTypeMetrics metrics;
};

// The event types of one topic. Types that the producer config does not have share one queue: only
// streams that read every type can want them.
struct TopicQueues {
  std::string full_topic;
  std::shared_ptr<const std::string> topic;  // without prefix
  SteadyTime wanted_until{};                 // counts when `streams` is 0
  std::size_t streams = 0;                   // that read this topic
  std::vector<StreamState*> all_types;       // that read every type
  SteadyTime all_types_until{};              // types that come first after such a stream left
  std::map<std::string, std::unique_ptr<TypeQueue>, std::less<>> types;
  absl::flat_hash_map<std::string_view, TypeQueue*, std::hash<std::string_view>> by_type;
  std::unique_ptr<TypeQueue> unknown;
  std::size_t partitions = 0;          // of this topic that are assigned
  std::optional<Counter> lost;         // made when it is first read
  std::optional<Counter> undecodable;  // made by the first one
};

// Which stream of a group wants what: topics, event types, and who named them until when.
//
// Clients choose topics freely, so one that nobody names and nothing is read of is forgotten (Prune),
// and a name alone makes no metric.
//
// Thread safety: none.
class Topics {
 public:
  Topics(std::shared_ptr<const Router> router, SubscribeMetrics& metrics, std::string group_label)
      : router_(std::move(router)), metrics_(metrics), group_label_(std::move(group_label)) {}

  void Attach(StreamState& stream, const std::vector<TopicInterest>& interests);

  // What only this stream named stays wanted until `until`.
  void Detach(StreamState& stream, const std::vector<TopicInterest>& interests, SteadyTime until);

  // The queues of a topic; they are made for one that no stream named.
  TopicQueues& Find(const std::string& full_topic);

  // Retention overtook so many positions in the topic. None makes its series, for a rate to begin at.
  void CountLost(TopicQueues& topic, std::uint64_t positions);

  // A record of the topic is no event.
  void CountUndecodable(TopicQueues& topic);

  // A record of the topic is in its dead-letter topic; `type` null: it was no event.
  void CountDeadLetter(const TopicQueues& topic, const TypeQueue* type, DeadReason reason);

  // The label under which the events of a queue are counted.
  static std::string_view LabelOf(const TopicQueues& topic, const TypeQueue& queue);

  // Forgets topics that nobody wants any more, of which nothing is assigned, and no queue of which is
  // in DeliveryBook's round.
  void Prune(SteadyTime now);

  // The queue of a type. One hash look-up.
  TypeQueue& Find(TopicQueues& topic, std::string_view type);

  // Topics with prefix, sorted, that somebody reads or read until after `now`.
  std::vector<std::string> Wanted(SteadyTime now) const;

  // When the next wish of a stream that left ends; nullopt for none after `now`.
  std::optional<SteadyTime> NextEnd(SteadyTime now) const;

  // Every queue, in a fixed order.
  template <typename Visit>
  void ForEachQueue(const Visit& visit) {
    for (auto& [name, topic] : topics_) {
      for (auto& [type, queue] : topic->types) visit(*topic, *queue);
      if (topic->unknown != nullptr) visit(*topic, *topic->unknown);
    }
  }

 private:
  TypeQueue& FindOrMake(TopicQueues& topic, const std::string& type);
  std::unique_ptr<TypeQueue> Make(const TopicQueues& topic, std::string_view label);
  std::string WithoutPrefix(const std::string& full_topic) const;

  const std::shared_ptr<const Router> router_;
  SubscribeMetrics& metrics_;
  const std::string group_label_;
  std::map<std::string, std::unique_ptr<TopicQueues>, std::less<>> topics_;
};

}  // namespace sidebus
