#include "server/rpc/publish_stream.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/rpc/event_conversions.h"
#include "server/rpc/rpc_status.h"

namespace sidebus {
namespace {

// Well below what any client takes as one message.
constexpr std::size_t kAckBytes = 256 << 10;

}  // namespace

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
  if (to_ack_.empty()) TakeAnswered();
  sidebus::v1::PublishAck ack;
  for (std::size_t left = kAckBytes; left > 0 && !to_ack_.empty();) {
    Answered& one = to_ack_.front();
    const std::size_t acked_before = one.acked;
    AddResults(one, left, ack);
    const std::uint64_t first = one.batch.first + acked_before;
    const std::uint64_t last = one.batch.first + one.acked - 1;
    events_in_ack_ += one.acked - acked_before;

    const int ranges = ack.settled_size();
    if (ranges > 0 && ack.settled(ranges - 1).last() + 1 == first) {
      ack.mutable_settled(ranges - 1)->set_last(last);
    } else {
      auto& range = *ack.add_settled();
      range.set_first(first);
      range.set_last(last);
    }
    if (one.acked < one.results.size()) break;
    bytes_in_ack_ += one.batch.bytes;
    to_ack_.pop_front();
  }
  return ack;
}

void PublishStreamState::TakeAnswered() {
  std::vector<Answered> answered;
  {
    MutexLock lock(mu_);
    answered.swap(answered_);
  }
  std::ranges::sort(answered, {}, [](const Answered& a) { return a.batch.first; });
  std::ranges::move(answered, std::back_inserter(to_ack_));
}

void PublishStreamState::AddResults(Answered& answered, std::size_t& left,
                                    sidebus::v1::PublishAck& ack) {
  const auto use = [&left](const auto& added) {
    left -= std::min<std::size_t>(left, added.ByteSizeLong());
  };
  while (left > 0 && answered.acked < answered.results.size()) {
    const std::uint64_t number = answered.batch.first + answered.acked;
    const PublishResult& result = answered.results[answered.acked++];
    if (!result.error.ok()) {
      auto& added = *ack.add_failures();
      added.set_number(number);
      *added.mutable_error() = ToRpcStatus(result.error);
      use(added);
    }
    if (!result.positions.empty()) {
      auto& added = *ack.add_positions();
      added.set_number(number);
      for (const Position& position : result.positions) {
        PositionToProto(position, *added.add_positions());
      }
      use(added);
    }
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
  to_ack_.clear();
}

}  // namespace sidebus
