#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/subscribe/buffered_record.h"
#include "server/subscribe/dead_ids.h"
#include "server/subscribe/sink_gate.h"
#include "server/subscribe/start_options.h"

namespace sidebus {

// One stream as its subscription sees it: what it holds, and what it has to send.
//
//   queued --Take()--> taken --Written()--> leased     (a delivery is in one of them while held)
//
// `deliveries` has every id under which this stream is the last holder of a record that is not
// settled: the held ones, and those that only a late settle can still reach.
//
// Ownership: shared by the Subscriber and its subscription. Thread safety: none; guarded by the
// subscription's lock, except `gate`.
struct StreamState : std::enable_shared_from_this<StreamState> {
  StreamState(EffectiveStart effective, std::string id, StreamSink& sink)
      : start(std::move(effective)),
        name(std::move(id)),
        window(start.window),
        gate(std::make_shared<SinkGate>(sink)) {}

  // The phases of a stream's life, in order.
  enum class Phase : std::uint8_t {
    kOpen,       // gets deliveries
    kDraining,   // gets no new ones, settles what it holds
    kFinishing,  // holds nothing; its acks are being committed
    kEnded,      // detached; `end` is set
  };

  const EffectiveStart start;
  const std::string name;
  Window window;
  Phase phase = Phase::kOpen;
  bool topic_seen = false;            // one of its topics exists, or did
  bool came_while_lingering = false;  // the subscription had no stream, and waited for one
  bool client_ends = false;           // drain or half-close: ends with OK when nothing is held
  std::uint64_t acks_lost = 0;        // ConsumerStats::acks_lost when it came

  std::uint64_t last_id = 0;
  absl::flat_hash_map<std::uint64_t, BufferedRecord*> deliveries;
  PlaceList queued;
  PlaceList taken;
  PlaceList leased;  // by end of lease: all leases of a stream are equally long
  std::uint32_t held = 0;
  std::uint64_t held_bytes = 0;
  std::uint32_t letters = 0;  // of what it held, that are awaited
  bool suspect = false;       // a lease ran out: one delivery at a time until it reacts
  bool alone = false;         // holds a record that is to be held alone
  std::uint64_t saving = 0;   // the round in which it was kept free for a large event
  DeadIds dead;

  // To send, with `queued`.
  bool started_sent = false;
  std::map<SteadyTime, std::vector<std::uint64_t>> revoking;  // may still be settled until then
  std::vector<std::uint64_t> revoked;
  std::vector<SettleFailure> failures;
  std::optional<Heartbeat> heartbeat;
  std::optional<Draining> draining;
  std::optional<absl::Status> end;
  bool end_taken = false;

  bool waiting = false;     // the last Take() was empty and the sink was not called since
  bool touched = false;     // in DeliveryBook's list of streams to look at
  bool told_later = false;  // the timer thread will call the sink
  SteadyTime next_heartbeat{};
  const std::shared_ptr<SinkGate> gate;

  bool HasOutgoing() const {
    return !end_taken && (!started_sent || !queued.empty() || !revoking.empty() ||
                          !revoked.empty() || !failures.empty() || heartbeat || draining || end);
  }
};

// Held, and its holder's transport was given it: the holder may know of it.
inline bool IsGiven(const BufferedRecord& record) {
  return record.state == RecordState::kHeld && record.place != &record.holder->queued;
}

}  // namespace sidebus
