#include "tests/simulation/application.h"

#include <algorithm>
#include <utility>

namespace sidebus::simulation {
namespace {

constexpr std::size_t kRemembered = 20;
constexpr std::uint64_t kGuess = ~std::uint64_t{0};  // stands for an id that was never given

template <typename T>
bool Contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

std::string_view Application::NameOf(Verb verb) {
  constexpr std::string_view kNames[] = {"ack", "skip", "reject", "retry", "busy", "extend"};
  return kNames[static_cast<std::size_t>(verb)];
}

Application::~Application() {
  if (!gone_) checker_.Gone(id_);
}

absl::Status Application::Open(LiveSubscriptions& gateway, const SubscribeStart& start,
                               Manners manners) {
  manners_ = manners;
  auto opened = gateway.Open(start, *this);
  if (!opened.ok()) return opened.status();
  subscriber_ = *std::move(opened);
  Pump();
  return absl::OkStatus();
}

void Application::OnOutgoing() {
  if (manners_.reads) Pump();
}

void Application::Pump() {
  while (subscriber_ != nullptr && !end_.has_value()) {
    Outgoing out = subscriber_->Take(64, 64 << 10);
    if (out.empty()) return;
    const bool any = !out.deliveries.empty();
    Absorb(std::move(out));
    if (any && manners_.writes) subscriber_->Written();
  }
}

void Application::Absorb(Outgoing out) {
  if (out.started.has_value()) {
    const StartedInfo& started = *out.started;
    holder_ = {member_,
               id_,
               started.lease,
               manners_.writes,
               started.retry.max_attempts,
               started.retry.on_exhausted.value_or(Exhausted::kHalt)};
    widest_ = started.window.events;
  }
  for (const Revoked& revoked : out.revoked) {
    if (revoked.grace > Duration::zero()) continue;
    for (const std::uint64_t id : revoked.delivery_ids) {
      lost_.push_back(id);
      const auto held = std::find_if(held_.begin(), held_.end(),
                                     [&](const Given& given) { return given.id == id; });
      if (held == held_.end()) continue;
      past_.push_back(*held);
      held_.erase(held);
    }
  }
  for (SettleFailure& failure : out.failures) failures_.push_back(std::move(failure));
  for (const Delivery& delivery : out.deliveries) Take(delivery);
  if (out.end.has_value()) {
    end_ = std::move(out.end);
    report_.Trace("{} stream {} ended: {}", member_, id_, end_->ToString());
    if (!std::exchange(gone_, true)) checker_.Gone(id_);
    if (end_->ok()) checker_.EndedWell(settled_, clock_.Now());
  }
}

void Application::Take(const Delivery& delivery) {
  if (delivery.id <= last_id_) report_.Violation("stream {}: ids do not ascend", id_);
  last_id_ = delivery.id;
  if (delivery.event->data !=
      GroupChecker::DataOf(*delivery.topic, delivery.partition, delivery.offset)) {
    report_.Violation("stream {}: an event has the data of another one", id_);
  }
  held_.push_back({delivery.id, checker_.Delivered(holder_, delivery, clock_.Now())});
  report_.Trace("{} stream {} got {}/{}@{} as {} attempt {}{}", member_, id_, *delivery.topic,
                delivery.partition, delivery.offset, delivery.id, delivery.attempt,
                held_.back().ticket.stale() ? " (stale)" : "");
}

void Application::Act(Choices& choices, bool nicely) {
  if (silent()) return;
  std::vector<Asked> asked;
  SettleRequest request;
  const std::uint64_t what = nicely ? 0 : choices.Below(100);
  if (what < 45) {
    Ask(choices, choices.Between(1, 10), Verb::kAck, asked, request);
  } else if (what < 60) {
    Ask(choices, choices.Between(1, 4), Verb::kRetry, asked, request);
  } else if (what < 66) {
    Ask(choices, choices.Between(1, 2), Verb::kRetryUncounted, asked, request);
  } else if (what < 70) {
    Ask(choices, 1, Verb::kSkip, asked, request);
  } else if (what < 72) {
    Ask(choices, 1, Verb::kReject, asked, request);
  } else if (what < 80) {
    Ask(choices, 1, Verb::kExtend, asked, request);
  } else if (what < 90) {
    AskAgain(choices, asked, request);
  } else if (what < 95) {
    const auto events = static_cast<std::uint32_t>(choices.Below(51));
    request.window = Window{events, 0};
    // Both zero pauses; the maximum of bytes is what is configured.
    widest_ = std::max(widest_, events);
  } else {
    Ask(choices, choices.Between(1, 5), Verb::kAck, asked, request);
    Ask(choices, choices.Between(1, 2), Verb::kRetry, asked, request);
    Ask(choices, 1, Verb::kExtend, asked, request);
  }
  Send(std::move(request), asked);
}

void Application::Ask(Choices& choices, std::size_t how_many, Verb verb, std::vector<Asked>& asked,
                      SettleRequest& request) {
  for (; how_many > 0 && !held_.empty(); --how_many) {
    const auto which = held_.begin() + static_cast<std::ptrdiff_t>(choices.Below(held_.size()));
    std::optional<Duration> delay;
    if (verb != Verb::kExtend && choices.OneIn(2)) {
      delay = std::chrono::milliseconds(choices.Below(5000));
    }
    Add(request, which->id, verb, delay);
    asked.push_back({*which, verb});
    if (verb == Verb::kExtend) return;  // it stays, and a request names an id once
    past_.push_back(*which);
    held_.erase(which);
  }
}

// What is settled already, or gone, or was never given.
void Application::AskAgain(Choices& choices, std::vector<Asked>& asked, SettleRequest& request) {
  constexpr Verb kVerbs[] = {Verb::kAck, Verb::kSkip, Verb::kReject, Verb::kRetry, Verb::kExtend};
  const Verb verb = kVerbs[choices.Below(5)];
  Given given;
  if (past_.empty() || choices.OneIn(4)) {
    given.id = kGuess;
    Add(request, last_id_ + choices.Between(1, 3), verb);
  } else {
    given = choices.Of(past_);
    Add(request, given.id, verb);
  }
  asked.push_back({given, verb});
}

void Application::Add(SettleRequest& request, std::uint64_t id, Verb verb,
                      std::optional<Duration> delay) {
  if (verb == Verb::kAck) {
    request.ack.push_back(id);
  } else if (verb == Verb::kExtend) {
    request.extend.push_back(id);
  } else {
    Nack nack;
    nack.delivery_id = id;
    nack.delay = delay;
    nack.not_counted = verb == Verb::kRetryUncounted;
    if (verb == Verb::kSkip) nack.action = Nack::Action::kSkip;
    if (verb == Verb::kReject) nack.action = Nack::Action::kReject;
    request.nack.push_back(std::move(nack));
  }
}

void Application::AckEverything() {
  std::vector<Asked> asked;
  SettleRequest request;
  for (Given& given : held_) {
    request.ack.push_back(given.id);
    asked.push_back({std::move(given), Verb::kAck});
  }
  held_.clear();
  Send(std::move(request), asked);
}

// A settle counts unless it is answered: the answer is taken before what the settle makes free.
void Application::Send(SettleRequest request, const std::vector<Asked>& asked) {
  if (silent()) return;
  const std::uint64_t guess = last_id_;
  for (const Asked& one : asked) {
    report_.Trace("{} stream {}: {} {} {}/{}@{}", member_, id_, NameOf(one.verb), one.given.id,
                  one.given.ticket.topic, one.given.ticket.partition, one.given.ticket.offset);
  }
  subscriber_->Handle(std::move(request));
  failures_.clear();
  Absorb(subscriber_->Take(0, 0));
  std::vector<std::uint64_t> refused;
  for (const SettleFailure& failure : failures_) refused.push_back(failure.delivery_id);
  for (const Asked& one : asked) {
    if (one.given.id != kGuess) {
      if (!Contains(refused, one.given.id)) Accepted(one);
    } else if (refused.empty()) {
      report_.Violation("stream {}: an id beyond {} was settled, which was never given", id_,
                        guess);
    }
  }
  if (past_.size() > kRemembered) {
    past_.erase(past_.begin(), past_.end() - static_cast<std::ptrdiff_t>(kRemembered));
  }
  if (manners_.reads) Pump();
}

void Application::Accepted(const Asked& asked) {
  const Ticket& ticket = asked.given.ticket;
  if (Contains(lost_, asked.given.id)) {
    report_.Violation("stream {}: {} counts, although the stream was told that it is revoked", id_,
                      asked.given.id);
  }
  switch (asked.verb) {
    case Verb::kAck:
    case Verb::kSkip:
      settled_.push_back(ticket);
      return checker_.Settled(ticket);
    case Verb::kReject:
      return checker_.Rejected(ticket);
    case Verb::kRetry:
    case Verb::kRetryUncounted:
      return checker_.Returned(ticket, asked.verb == Verb::kRetry);
    case Verb::kExtend:
      return checker_.Extended(ticket, clock_.Now() + holder_.lease);
  }
}

void Application::SetReading(bool reads) {
  manners_.reads = reads;
  if (reads) Pump();
}

void Application::MendWriting() {
  manners_.writes = holder_.lease_runs = true;
  if (subscriber_ != nullptr && !end_.has_value()) subscriber_->Written();
}

void Application::Drain() {
  SettleRequest request;
  request.drain = true;
  report_.Trace("{} stream {} drains", member_, id_);
  Send(std::move(request), {});
}

void Application::HalfClose() {
  if (silent()) return;
  report_.Trace("{} stream {} half-closes", member_, id_);
  half_closed_ = true;
  checker_.Gone(id_);
  held_.clear();
  subscriber_->HalfClosed();
  if (manners_.reads) Pump();
}

void Application::Vanish() {
  if (!std::exchange(gone_, true)) checker_.Gone(id_);
}

}  // namespace sidebus::simulation
