#include "server/rpc/publish_stream.h"

#include <algorithm>
#include <utility>

#include "server/rpc/rpc_status.h"

namespace sidebus {

void PublishStreamState::Add(Publisher& publisher, std::uint64_t bytes, ConvertedEvents events,
                             SteadyTime deadline) {
  PublishBatch to_publish{.events = events.TakeEvents(), .topic = topic, .deadline = deadline};
  Batch batch{last_number_ + 1, to_publish.events.size() + events.failed(), bytes,
              std::move(events)};
  last_number_ += batch.count;
  events_in_flight_ += batch.count;
  bytes_in_flight_ += bytes;
  // The callback has the batch; when there are results at once it is gone, and so would be the
  // batch: shared.
  auto shared = std::make_shared<Batch>(std::move(batch));
  auto results = publisher.Publish(std::move(to_publish),
                                   [self = shared_from_this(), shared](Publisher::Results done) {
                                     self->OnDone(std::move(*shared), std::move(done));
                                   });
  if (results.has_value()) OnDone(std::move(*shared), *std::move(results));
}

void PublishStreamState::OnDone(Batch batch, Publisher::Results results) {
  {
    MutexLock lock(mu_);
    if (closed_) return;
    answered_.push_back({std::move(batch), std::move(results)});
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
  for (Answered& one : answered) {
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

void PublishStreamState::AddResults(Answered& answered, sidebus::v1::PublishAck& ack) const {
  std::uint64_t number = answered.batch.first;
  for (const PublishResult& result :
       std::move(answered.batch.events).Merge(std::move(answered.results))) {
    if (!result.error.ok()) {
      auto& failure = *ack.add_failures();
      failure.set_number(number);
      *failure.mutable_error() = ToRpcStatus(result.error);
    }
    if (want_positions && !result.positions.empty()) {
      auto& positions = *ack.add_positions();
      positions.set_number(number);
      for (const Position& position : result.positions) {
        PositionToProto(position, *positions.add_positions());
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
