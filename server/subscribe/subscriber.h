#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/broker/consumer.h"
#include "server/event/event.h"

namespace sidebus {

enum class Ordering : std::uint8_t { kByKey, kByPartition, kUnordered };
enum class DataFormat : std::uint8_t { kStored, kJson };
enum class Exhausted : std::uint8_t { kDeadLetter, kSkip, kHalt };
// What happens to a record that is no event.
enum class Undecodable : std::uint8_t { kDeadLetter, kSkip, kHalt };

// How much a stream may hold unsettled. Both zero: paused.
struct Window {
  std::uint32_t events = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const Window&, const Window&) = default;
};

// What happens after a failure. As given by a client: zero and nullopt mean "as configured".
struct RetryPolicy {
  std::uint32_t max_attempts = 0;
  Duration min_backoff{};
  Duration max_backoff{};
  std::optional<Exhausted> on_exhausted;

  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

// What a stream asks for (SubscribeStart).
struct SubscribeStart {
  std::string group;  // empty: broadcast
  std::vector<std::string> event_types;
  std::vector<std::string> topics;     // without prefix
  std::optional<StartPosition> start;  // positions with topics without prefix
  std::optional<Ordering> ordering;
  std::optional<Window> window;
  std::optional<Duration> lease;
  RetryPolicy retry;
  std::string member;
  DataFormat data_format = DataFormat::kStored;
};

// What is in force (SubscribeStarted).
struct StartedInfo {
  std::string stream_id;
  Window window;
  Duration lease{};
  RetryPolicy retry;  // complete
  Ordering ordering = Ordering::kByKey;
  std::vector<std::string> topics;  // without prefix
};

struct Nack {
  enum class Action : std::uint8_t { kRetry, kReject, kSkip };
  std::uint64_t delivery_id = 0;
  Action action = Action::kRetry;
  std::optional<Duration> delay;
  std::string reason;
  bool not_counted = false;
};

// What a stream says after its start (SubscribeRequest).
struct SettleRequest {
  std::vector<std::uint64_t> ack;
  std::vector<Nack> nack;
  std::vector<std::uint64_t> extend;
  std::optional<Window> window;
  bool drain = false;
};

struct Delivery {
  std::uint64_t id = 0;
  std::uint32_t attempt = 0;
  std::uint32_t interruptions = 0;
  std::shared_ptr<const Event> event;
  std::shared_ptr<const std::string> topic;  // without prefix
  std::int32_t partition = -1;
  std::int64_t offset = -1;
  SystemTime broker_time{};
};

struct Revoked {
  std::vector<std::uint64_t> delivery_ids;
  Duration grace{};
};

struct SettleFailure {
  std::uint64_t delivery_id = 0;
  absl::Status error;
};

struct Draining {
  Duration grace{};
  std::string reason;
};

struct Heartbeat {
  SystemTime now{};
  std::uint64_t lag_events = 0;
  Duration oldest_unsettled{};
  std::vector<std::string> missing_topics{};  // of the stream's, without prefix
};

// What a stream has to send now, in this order. `end` comes last and alone ends the stream.
struct Outgoing {
  std::optional<StartedInfo> started;
  std::vector<Revoked> revoked;
  std::vector<SettleFailure> failures;
  std::vector<Delivery> deliveries;
  std::optional<Heartbeat> heartbeat;
  std::optional<Draining> draining;
  std::optional<absl::Status> end;  // OK: every ack on this stream is committed

  bool empty() const {
    return !started && revoked.empty() && failures.empty() && deliveries.empty() && !heartbeat &&
           !draining && !end;
  }
};

// The transport side of a stream.
class StreamSink {
 public:
  virtual ~StreamSink() = default;

  // Take() has something. Called at most once between two Take() calls that came back empty, on any
  // thread, with no lock held, never from inside a method of Subscriber. Must not block.
  virtual void OnOutgoing() = 0;
};

// One stream of a subscription: hands out deliveries, takes settlements.
//
// The transport keeps one write outstanding: Take(), write, Written(), Take() ... until Take() is
// empty; then it waits for OnOutgoing().
//
// Thread safety: all methods may be called from any thread, each of them by one caller at a time.
// Life: destroying it without HalfClosed() or an `end` that was taken is an abnormal end: what it
// holds is returned and counts as an interruption. After the destructor the sink is not called.
class Subscriber {
 public:
  virtual ~Subscriber() = default;

  // Settles, extends, resizes, drains. Failures come out of Take(). At most 10,000 ids: checked by
  // the caller.
  virtual void Handle(SettleRequest request) = 0;

  // What to send next: deliveries of at most `max_events` and, beyond the first, `max_bytes`.
  virtual Outgoing Take(std::uint32_t max_events, std::uint64_t max_bytes) = 0;

  // The deliveries of the last Take() were written: their leases start.
  virtual void Written() = 0;

  // The client will settle nothing more: what is held returns to the front of its lanes, acks are
  // committed, then Take() has `end`.
  virtual void HalfClosed() = 0;
};

}  // namespace sidebus
