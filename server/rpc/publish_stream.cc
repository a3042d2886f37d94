#include "server/rpc/publish_stream.h"

#include <algorithm>
#include <utility>

#include "server/rpc/event_conversions.h"
#include "server/rpc/rpc_status.h"

namespace sidebus {

void PublishStreamState::Add(Publisher& publisher, std::uint64_t bytes, std::vector<Event> events,
                             SteadyTime deadline) {
  const Batch batch{last_number_ + 1, events.size(), bytes};
  last_number_ += batch.count;
  events_in_flight_ += batch.count;
  bytes_in_flight_ += bytes;
  auto results = publisher.Publish({.events = std::move(events),
                                    .topic = topic,
                                    .deadline = deadline,
                                    .want_positions = want_positions},
                                   [self = shared_from_this(), batch](Publisher::Results done) {
                                     self->OnDone(batch, std::move(done));
                                   });
  if (results.has_value()) OnDone(batch, *std::move(results));
}

void PublishStreamState::OnDone(Batch batch, Publisher::Results results) {
  {
    MutexLock lock(mu_);
    if (closed_) return;
    answered_.push_back({batch, std::move(results)});
    if (answered_.size() > 1) return;  // it was notified, and has not looked yet
  }
  wake->Notify();
}

sidebus::v1::PublishAck PublishStreamState::TakeAck() {
  std::vector<Answered> answered;
  {
    MutexLock lock(mu_);
    answered.swap(answered_);
  }
  std::ranges::sort(answered, {}, [](const Answered& a) { return a.batch.first; });
  sidebus::v1::PublishAck ack;
  for (const Answered& one : answered) {
    const Batch& batch = one.batch;
    events_in_ack_ += batch.count;
    bytes_in_ack_ += batch.bytes;
    if (batch.count == 0) continue;
    const int ranges = ack.settled_size();
    if (ranges > 0 && ack.settled(ranges - 1).last() + 1 == batch.first) {
      ack.mutable_settled(ranges - 1)->set_last(batch.first + batch.count - 1);
    } else {
      auto& range = *ack.add_settled();
      range.set_first(batch.first);
      range.set_last(batch.first + batch.count - 1);
    }
    AddResults(one, ack);
  }
  return ack;
}

void PublishStreamState::AddResults(const Answered& answered, sidebus::v1::PublishAck& ack) {
  std::uint64_t number = answered.batch.first;
  for (const PublishResult& result : answered.results) {
    if (!result.error.ok()) {
      auto& added = *ack.add_failures();
      added.set_number(number);
      *added.mutable_error() = ToRpcStatus(result.error);
    }
    if (!result.positions.empty()) {
      auto& added = *ack.add_positions();
      added.set_number(number);
      for (const Position& position : result.positions) {
        PositionToProto(position, *added.add_positions());
      }
    }
    ++number;
  }
}

void PublishStreamState::AckWritten() {
  events_in_flight_ -= std::exchange(events_in_ack_, 0);
  bytes_in_flight_ -= std::exchange(bytes_in_ack_, 0);
}

void PublishStreamState::Close() {
  ended = true;
  wake->Close();
  MutexLock lock(mu_);
  closed_ = true;
  answered_.clear();
}

}  // namespace sidebus
