#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/event/event.h"

namespace sidebus {

// What became of one accepted record.
struct DeliveryReport {
  enum class Outcome : std::uint8_t {
    kWritten,     // on all in-sync replicas
    kNotWritten,  // surely not in the log
    kUnknown,     // handed to a broker that did not answer
  };
  Outcome outcome = Outcome::kUnknown;
  absl::Status error;  // OK exactly for kWritten; made by MakeError, without outcome metadata
  std::int32_t partition = -1;
  std::int64_t offset = -1;  // -1 also for kWritten when the broker recognised a retry
};

// A record on its way. The owner keeps it alive, and its record unchanged, from an accepted
// Produce() until OnReport() is called.
class PendingRecord {
 public:
  Record record;

  // Called exactly once per accepted record, on a thread of the producer's, with no lock held,
  // never from inside Produce(); of different records possibly at the same time. Must not block
  // and must not throw; may delete this object, and call Produce().
  virtual void OnReport(const DeliveryReport& report) = 0;

 protected:
  ~PendingRecord() = default;
};

enum class TopicReadiness : std::uint8_t {
  kReady,    // exists, and a broker is up: Produce() now
  kMissing,  // does not exist, as of at most 1 s ago
  kWaiting,  // no broker is up, or the look-up is not answered yet; the listener hears of a change
};

// One topic of a producer, resolved once so that the publish path looks nothing up.
class ProducerTopic {
 public:
  virtual ~ProducerTopic() = default;

  // With prefix, as the broker knows it.
  virtual const std::string& name() const = 0;

  // Never blocks. Starts a look-up (single-flight) where none is fresh enough. Any thread.
  virtual TopicReadiness readiness() = 0;
};

// Is told of changes. Called on the producer's own thread with no lock held.
class ProducerListener {
 public:
  virtual ~ProducerListener() = default;

  // The readiness of some topics may be another one now.
  virtual void OnReadinessChanged() = 0;
};

// Whether the broker can be reached, and since when that is so.
struct BrokerCondition {
  bool reachable = false;
  SteadyTime since{};
};

// Writes records, idempotently and with acks=all: order per topic and partition is the order of the
// Produce() calls, and no record is written twice.
//
// Thread safety: all methods may be called from any thread; Flush() and the destructor block.
// Life: destroyed when no call of it is under way; the destructor purges what is left, so every
// PendingRecord gets its report before it returns.
class Producer {
 public:
  virtual ~Producer() = default;

  // The topic's handle, the same one for the same name. Valid as long as the producer. Starts the
  // topic's look-up.
  virtual ProducerTopic& Topic(const std::string& full_name) = 0;

  // Accepts the record or refuses it at once. OK: `record.OnReport` will be called once. Any other
  // status: it never will be, and nothing was written. Never blocks.
  virtual absl::Status Produce(ProducerTopic& topic, PendingRecord& record) = 0;

  // Makes a topic that is missing, with as many partitions and replicas as `like` (with prefix) has.
  // `done` is called once, on any thread, with no lock held, never from inside this call; OK also
  // when somebody else made it. Errors: TOPIC_MISSING (`like` is), BROKER_DENIED, BROKER_DOWN.
  virtual void CreateTopic(ProducerTopic& topic, const std::string& like,
                           absl::AnyInvocable<void(absl::Status)> done) = 0;

  virtual BrokerCondition condition() const = 0;

  // Records accepted and not reported; for a moment also those that are being accepted.
  virtual std::size_t in_flight() const = 0;

  // Waits until every accepted record is reported or `deadline` has passed. True: all are.
  virtual bool Flush(SteadyTime deadline) = 0;

  // Gives up on everything accepted: reports follow, kNotWritten for what no broker was given and
  // kUnknown for the rest. Does not wait, so a record that is accepted soon after may be given up
  // too.
  virtual void Purge() = 0;
};

}  // namespace sidebus
