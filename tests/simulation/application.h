#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/clock.h"
#include "server/subscribe/live_subscriptions.h"
#include "tests/simulation/choices.h"
#include "tests/simulation/group_checker.h"

namespace sidebus::simulation {

// One stream and the application behind it, which does anything an application may do: settles in
// any order, late, twice, what it was never given; extends, resizes, does not read, does not write,
// ends in every way. What it sees, and what is answered, goes to the checker.
//
// Life: borrows everything but its subscriber. Destroying it is an abnormal end, unless it ended.
class Application final : public StreamSink {
 public:
  // How the transport and the application are.
  struct Manners {
    bool reads = true;   // takes what there is whenever it is told
    bool writes = true;  // says when it was written: leases run
  };

  Application(std::uint64_t id, std::string member, GroupChecker& checker, const Clock& clock,
              Report& report)
      : id_(id), member_(std::move(member)), checker_(checker), clock_(clock), report_(report) {}
  ~Application() override;

  absl::Status Open(LiveSubscriptions& gateway, const SubscribeStart& start, Manners manners);

  void OnOutgoing() override;

  // Does one thing to what it holds, or held. `nicely`: acks only.
  void Act(Choices& choices, bool nicely);
  void AckEverything();
  void Pump();
  void SetReading(bool reads);
  void MendWriting();
  void Drain();
  void HalfClose();
  // The process of its gateway is gone.
  void Vanish();

  bool ended() const { return end_.has_value(); }
  std::uint32_t widest() const { return widest_; }
  bool reads() const { return manners_.reads; }

 private:
  struct Given {
    std::uint64_t id = 0;
    Ticket ticket;
  };
  // What a request asks of a delivery.
  enum class Verb : std::uint8_t { kAck, kSkip, kReject, kRetry, kRetryUncounted, kExtend };
  struct Asked {
    Given given;
    Verb verb = Verb::kAck;
  };

  // Can say nothing more.
  bool silent() const { return end_.has_value() || half_closed_; }
  static std::string_view NameOf(Verb verb);

  void Absorb(Outgoing out);
  void Take(const Delivery& delivery);
  void Ask(Choices& choices, std::size_t how_many, Verb verb, std::vector<Asked>& asked,
           SettleRequest& request);
  void AskAgain(Choices& choices, std::vector<Asked>& asked, SettleRequest& request);
  void Send(SettleRequest request, const std::vector<Asked>& asked);
  void Accepted(const Asked& asked);
  static void Add(SettleRequest& request, std::uint64_t id, Verb verb,
                  std::optional<Duration> delay = std::nullopt);

  const std::uint64_t id_;
  const std::string member_;
  GroupChecker& checker_;
  const Clock& clock_;
  Report& report_;
  Manners manners_;
  Holder holder_;
  std::uint32_t widest_ = 0;  // window so far
  std::uint64_t last_id_ = 0;
  std::vector<Given> held_;          // as it believes
  std::vector<Given> past_;          // the last ones that it settled, or lost
  std::vector<std::uint64_t> lost_;  // it was told that they are revoked
  std::vector<Ticket> settled_;      // by it
  std::vector<SettleFailure> failures_;
  std::optional<absl::Status> end_;
  bool half_closed_ = false;
  bool gone_ = false;
  std::unique_ptr<Subscriber> subscriber_;
};

}  // namespace sidebus::simulation
