#include "server/subscribe/topic_queues.h"

#include <algorithm>

namespace sidebus {
namespace {

void Remove(std::vector<StreamState*>& streams, const StreamState& stream) {
  streams.erase(std::remove(streams.begin(), streams.end(), &stream), streams.end());
}

}  // namespace

void Topics::Attach(StreamState& stream, const std::vector<TopicInterest>& interests) {
  for (const TopicInterest& interest : interests) {
    TopicQueues& topic = Find(interest.full_topic);
    ++topic.streams;
    if (interest.all_types) {
      topic.all_types.push_back(&stream);
      for (auto& [type, queue] : topic.types) queue->streams.push_back(&stream);
      if (topic.unknown != nullptr) topic.unknown->streams.push_back(&stream);
    }
    for (const std::string& type : interest.types) {
      FindOrMake(topic, type).streams.push_back(&stream);
    }
  }
}

void Topics::Detach(StreamState& stream, const std::vector<TopicInterest>& interests,
                    SteadyTime until) {
  const auto leave = [&](TypeQueue& queue) {
    const std::size_t before = queue.streams.size();
    Remove(queue.streams, stream);
    if (queue.streams.size() != before) queue.wanted_until = until;
  };
  for (const TopicInterest& interest : interests) {
    TopicQueues& topic = Find(interest.full_topic);
    --topic.streams;
    topic.wanted_until = until;
    if (interest.all_types) topic.all_types_until = until;
    Remove(topic.all_types, stream);
    for (auto& [type, queue] : topic.types) leave(*queue);
    if (topic.unknown != nullptr) leave(*topic.unknown);
  }
}

TopicQueues& Topics::Find(const std::string& full_topic) {
  std::unique_ptr<TopicQueues>& topic = topics_[full_topic];
  if (topic == nullptr) {
    topic = std::make_unique<TopicQueues>();
    topic->full_topic = full_topic;
    topic->topic = std::make_shared<const std::string>(WithoutPrefix(full_topic));
  }
  return *topic;
}

void Topics::CountLost(TopicQueues& topic, std::uint64_t positions) {
  if (!topic.lost.has_value()) {
    topic.lost = metrics_.LostToRetention(group_label_, *topic.topic);
  }
  topic.lost->Increment(static_cast<double>(positions));
}

void Topics::CountUndecodable(TopicQueues& topic) {
  if (!topic.undecodable.has_value()) {
    topic.undecodable = metrics_.Undecodable(*topic.topic, "not_an_event");
  }
  topic.undecodable->Increment();
}

void Topics::CountDeadLetter(const TopicQueues& topic, const TypeQueue* type, DeadReason reason) {
  const std::string_view label = type == nullptr ? kUnknownTypeLabel : LabelOf(topic, *type);
  metrics_.DeadLettered(group_label_, label, NameOf(reason)).Increment();
}

std::string_view Topics::LabelOf(const TopicQueues& topic, const TypeQueue& queue) {
  for (const auto& [type, known] : topic.types) {
    if (known.get() == &queue) return type;
  }
  return kUnknownTypeLabel;
}

void Topics::Prune(SteadyTime now) {
  std::erase_if(topics_, [now](const auto& entry) {
    const TopicQueues& topic = *entry.second;
    const bool active = (topic.unknown != nullptr && topic.unknown->active) ||
                        std::any_of(topic.types.begin(), topic.types.end(),
                                    [](const auto& type) { return type.second->active; });
    return topic.streams == 0 && topic.partitions == 0 && topic.wanted_until <= now && !active;
  });
}

TypeQueue& Topics::Find(TopicQueues& topic, std::string_view type) {
  const auto known = topic.by_type.find(type);
  if (known != topic.by_type.end()) return *known->second;
  if (router_->Find(type) != nullptr) return FindOrMake(topic, std::string(type));
  if (topic.unknown == nullptr) topic.unknown = Make(topic, kUnknownTypeLabel);
  return *topic.unknown;
}

TypeQueue& Topics::FindOrMake(TopicQueues& topic, const std::string& type) {
  const auto [entry, is_new] = topic.types.try_emplace(type);
  if (is_new) {
    entry->second = Make(topic, type);
    topic.by_type.emplace(entry->first, entry->second.get());
  }
  return *entry->second;
}

std::unique_ptr<TypeQueue> Topics::Make(const TopicQueues& topic, std::string_view label) {
  auto queue = std::make_unique<TypeQueue>();
  queue->streams = topic.all_types;
  queue->wanted_until = topic.all_types_until;
  queue->metrics = metrics_.ForType(group_label_, label);
  return queue;
}

std::vector<std::string> Topics::Wanted(SteadyTime now) const {
  std::vector<std::string> result;
  for (const auto& [name, topic] : topics_) {
    if (topic->streams > 0 || topic->wanted_until > now) result.push_back(name);
  }
  return result;
}

std::optional<SteadyTime> Topics::NextEnd(SteadyTime now) const {
  std::optional<SteadyTime> next;
  const auto consider = [&](SteadyTime end) {
    if (end > now && (!next.has_value() || end < *next)) next = end;
  };
  for (const auto& [name, topic] : topics_) {
    if (topic->streams == 0) consider(topic->wanted_until);
    for (const auto& [type, queue] : topic->types) {
      if (queue->streams.empty()) consider(queue->wanted_until);
    }
    if (topic->unknown != nullptr && topic->unknown->streams.empty()) {
      consider(topic->unknown->wanted_until);
    }
  }
  return next;
}

std::string Topics::WithoutPrefix(const std::string& full_topic) const {
  const std::string& prefix = router_->topic_prefix();
  return prefix.empty() ? full_topic : full_topic.substr(prefix.size() + 1);
}

}  // namespace sidebus
