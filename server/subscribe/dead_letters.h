#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/memory_budget.h"
#include "server/broker/producer.h"
#include "server/codec/dead_letter.h"
#include "server/event/topic_name.h"
#include "server/routing/router.h"

namespace sidebus {

// The `dead_letter` part of the configuration.
struct DeadLetterOptions {
  std::string topic = "{topic}.{group}.dead";  // without prefix
  bool create = true;                          // a missing topic is made
};

// The dead-letter topic (without prefix) of a group on a topic (without prefix): `pattern` with
// {topic} and {group} filled in. What no topic name may have becomes "-"; a name that is longer
// than `max_length` is cut, and ends with "-" and 8 hex digits of a hash of the whole.
std::string DeadLetterTopic(std::string_view pattern, std::string_view topic,
                            std::string_view group, std::size_t max_length = kMaxTopicLength);

// The same with the router's prefix, and never longer than Kafka takes.
std::string FullDeadLetterTopic(const Router& router, std::string_view pattern,
                                std::string_view topic, std::string_view group);

// A record on its way to a dead-letter topic.
struct DeadLetter {
  std::uint64_t number = 0;  // names the record to its DeliveryBook
  std::string topic;         // without prefix: the one that it leaves
  Record record;             // as it was
  DeadLetterNote note;
};

// Writes dead letters, for all groups of the process, with the publishers' producer.
//
// One call writes one letter once; trying again is the caller's. While no broker is up, and while
// its topic is missing, a letter is refused and never given to the producer. A missing topic is made
// with the partitions and replicas of the one that the record leaves, or, where that is not wanted
// or not allowed, waited for.
//
// Memory: letters under way are copies, and take their bytes from a budget of their own, so that
// neither publishing nor subscribing can keep them from being written.
//
// Thread safety: all methods may be called from any thread; no lock is held while `done` runs. Life: outlived by what it borrows; letters under way may outlive it.
class DeadLetters {
 public:
  DeadLetters(DeadLetterOptions options, std::shared_ptr<const Router> router, Producer& producer,
              MemoryBudget& budget, const Clock& clock, Timers& timers);
  ~DeadLetters();

  // A subscription begins. Where topics are not made, it is said now that one is missing; where they
  // are, that is done when the first letter comes (docs/adr/0023).
  void Prepare(std::string_view topic, std::string_view group);

  // Dead-letter topics that are missing, for which something waits or may have to. The log names them.
  std::size_t missing_topics() const;

  // Memory for one letter; false: too many are under way. The first one always fits.
  bool TryReserve(std::uint64_t bytes);

  // Gives memory back that Write() was not called for.
  void Return(std::uint64_t bytes) { budget_.Return(bytes); }

  // OK: `done` is called once, on a thread of the producer's, with what became of it; else never.
  // Either way the `reserved` bytes are given back when the letter is done with.
  // Errors: EVENT_TOO_LARGE (with its headers), TOPIC_MISSING, BROKER_DOWN, and the producer's.
  absl::Status Write(const DeadLetter& letter, std::uint64_t reserved,
                     absl::AnyInvocable<void(absl::Status)> done);

 private:
  class Under;  // a letter under way
  class Shared;
  // The topic (with prefix) whose partitions and replicas a missing one gets; none: it is not made.
  using MadeLike = std::optional<std::string>;

  ProducerTopic& TopicOf(std::string_view topic, std::string_view group);
  absl::Status Ready(ProducerTopic& topic, std::string_view origin);

  const DeadLetterOptions options_;
  const std::shared_ptr<const Router> router_;
  Producer& producer_;
  MemoryBudget& budget_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace sidebus
