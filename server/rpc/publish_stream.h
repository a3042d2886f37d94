#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "server/base/mutex.h"
#include "server/publish/publisher.h"
#include "server/rpc/call_task.h"
#include "server/rpc/signal.h"
#include "sidebus/v1/event_bus.pb.h"

namespace sidebus {

// Batches on their way, and their answers, of one PublishStream.
//
//   message --Add()--> in flight --OnDone()--> answered --TakeAck()--> ack --AckWritten()--> gone
//
// An event is in flight, and counts, from Add() until AckWritten().
//
// Ownership: shared by the stream's coroutines and the publisher's callbacks, which may come after
// the stream has ended. Thread safety: OnDone() may be called from any thread, everything else on
// the loop's.
class PublishStreamState : public std::enable_shared_from_this<PublishStreamState> {
 public:
  explicit PublishStreamState(EventLoop& loop) : wake(std::make_shared<Signal>(loop)) {}

  // Hands the events to the publisher; they get the next numbers.
  void Add(Publisher& publisher, std::uint64_t bytes, std::vector<Event> events,
           SteadyTime deadline);

  // What is answered and not acked yet, up to some 256 KiB, as failures have words; no range:
  // nothing is.
  sidebus::v1::PublishAck TakeAck();

  // The last ack was written.
  void AckWritten();

  // Late answers are dropped from now on.
  void Close();

  std::uint64_t events_in_flight() const { return events_in_flight_; }
  std::uint64_t bytes_in_flight() const { return bytes_in_flight_; }

  const std::shared_ptr<Signal> wake;  // of the coroutine that writes
  LocalEvent room;                     // of the one that reads
  std::string topic;
  bool want_positions = false;
  bool reading = true;   // the client may send more
  bool ended = false;    // nothing is written any more
  absl::Status failure;  // the stream is to end with it

 private:
  struct Batch {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
  };
  struct Answered {
    Batch batch;
    std::vector<PublishResult> results;
    std::size_t acked = 0;  // of the results
  };

  void OnDone(Batch batch, Publisher::Results results);
  void TakeAnswered();
  // Adds results of `answered` while any of the `left` bytes are.
  static void AddResults(Answered& answered, std::size_t& left, sidebus::v1::PublishAck& ack);

  std::uint64_t last_number_ = 0;
  std::uint64_t events_in_flight_ = 0;
  std::uint64_t bytes_in_flight_ = 0;
  std::uint64_t events_in_ack_ = 0;
  std::uint64_t bytes_in_ack_ = 0;
  std::deque<Answered> to_ack_;  // in order of their numbers

  Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Answered> answered_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
