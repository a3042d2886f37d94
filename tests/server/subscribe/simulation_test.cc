// Two gateways, one group, a broker with faults and applications that do anything, in one thread
// and simulated time. Every choice comes from the seed: a failure names it and is replayed by it.

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

#include "server/base/log.h"
#include "tests/server/subscribe/subscribe_fixture.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kPartitions = 3;
constexpr int kGateways = 2;
const std::string kTopic = "t-orders";

// What applications and the broker's positions say, and what may not be.
class Checker {
 public:
  struct Lane {
    std::int64_t offset = -1;
    std::uint64_t delivered = 0;  // time
  };

  void Published(std::int32_t partition, const std::optional<std::string>& key, bool wanted) {
    const auto offset = static_cast<std::int64_t>(keys_[partition].size());
    keys_[partition].push_back(key);
    if (!wanted) settled_[partition][offset] = ++time_;
    if (wanted) wanted_.insert({partition, offset});
  }

  // I5, I6: `exactly_once` where nothing was done that could cause a second delivery.
  void Delivered(int gateway, const Delivery& delivery, bool exactly_once) {
    const std::int32_t partition = delivery.partition;
    const auto& key = keys_[partition].at(static_cast<std::size_t>(delivery.offset));
    const bool first = delivered_.insert({partition, delivery.offset}).second;
    if (exactly_once) {
      EXPECT_TRUE(first) << partition << "/" << delivery.offset << " came twice";
    }
    if (!key.has_value()) return;
    for (std::int64_t before = 0; before < delivery.offset; ++before) {
      if (keys_[partition][static_cast<std::size_t>(before)] != key) continue;
      ASSERT_TRUE(settled_[partition].contains(before))
          << partition << "/" << delivery.offset << " passed " << before << " of its key";
    }
    Lane& lane = lanes_[{gateway, partition, *key}];
    if (delivery.offset > lane.offset && lane.offset >= 0) {
      ASSERT_GT(settled_[partition][lane.offset], lane.delivered)
          << partition << "/" << delivery.offset << " and " << lane.offset << " of one key are out";
    }
    lane = {delivery.offset, ++time_};
  }

  void Settled(const Delivery& delivery) {
    settled_[delivery.partition][delivery.offset] = ++time_;
  }
  void Crashed(int gateway) {
    std::erase_if(lanes_, [&](const auto& lane) { return std::get<0>(lane.first) == gateway; });
  }

  // I4.
  void CheckPositions(const MemoryBroker& broker) {
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      const std::int64_t position = broker.Committed("g", kTopic, partition).value_or(0);
      std::int64_t& checked = checked_[partition];
      ASSERT_GE(position, checked) << "the position of " << partition << " went back";
      for (; checked < position; ++checked) {
        ASSERT_TRUE(settled_[partition].contains(checked))
            << "the position of " << partition << " passed the unsettled " << checked;
      }
    }
  }

  bool AllCommitted(const MemoryBroker& broker) {
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      const auto end = static_cast<std::int64_t>(keys_[partition].size());
      if (broker.Committed("g", kTopic, partition).value_or(0) < end) return false;
    }
    return true;
  }
  bool AllDelivered() const {
    return std::includes(delivered_.begin(), delivered_.end(), wanted_.begin(), wanted_.end());
  }

 private:
  using Place = std::pair<std::int32_t, std::int64_t>;

  std::uint64_t time_ = 0;
  std::map<std::int32_t, std::vector<std::optional<std::string>>> keys_;
  std::map<std::int32_t, std::map<std::int64_t, std::uint64_t>> settled_;
  std::set<Place> wanted_;
  std::set<Place> delivered_;
  std::map<std::int32_t, std::int64_t> checked_;
  std::map<std::tuple<int, std::int32_t, std::string>, Lane> lanes_;
};

class SimStream final : public TestStream {
 public:
  std::uint64_t last_id = 0;
  std::size_t settled_up_to = 0;
};

struct Gateway {
  std::unique_ptr<MemoryBudget> budget;
  std::unique_ptr<LiveSubscriptions> live;
  std::vector<std::unique_ptr<SimStream>> streams;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, bool faults)
      : faults_(faults), random_(seed), broker_(time_, seed) {
    router_ = *Router::Make({{"order", {{"orders", "", true}}}}, "t");
    broker_.CreateTopic(kTopic, kPartitions);
    for (int i = 0; i < kGateways; ++i) Start(i);
  }

  void Run() {
    for (int step = 0; step < 600 && !testing::Test::HasFailure(); ++step) {
      OneThing();
      Check();
    }
    Heal();
    for (int round = 0; round < 3000 && !checker_.AllCommitted(broker_); ++round) {
      if (testing::Test::HasFailure()) return;
      for (Gateway& gateway : gateways_) {
        for (auto& stream : gateway.streams) SettleAll(*stream);
      }
      broker_.RunUntilIdle();
      time_.Advance(milliseconds(500));
      Check();
    }
    EXPECT_TRUE(checker_.AllCommitted(broker_)) << "it stands still";
    EXPECT_TRUE(checker_.AllDelivered()) << "a record was skipped";
    for (Gateway& gateway : gateways_) gateway.streams.clear();
    for (Gateway& gateway : gateways_) gateway.live.reset();
    for (Gateway& gateway : gateways_) EXPECT_EQ(gateway.budget->used(), 0u);
  }

 private:
  std::uint64_t Pick(std::uint64_t below) { return random_() % below; }
  bool OneIn(std::uint64_t n) { return Pick(n) == 0; }

  void Start(int i) {
    Gateway& gateway = gateways_[static_cast<std::size_t>(i)];
    SubscribeOptions options;
    options.jitter_seed = Pick(1'000'000);
    options.revoke_grace = seconds(Pick(4));
    gateway.live.reset();
    gateway.budget = std::make_unique<MemoryBudget>(8 << 20);
    gateway.live = std::make_unique<LiveSubscriptions>(options, router_, broker_, *gateway.budget,
                                                       time_, time_, metrics_);
  }

  void OpenStream(Gateway& gateway) {
    SubscribeStart start;
    start.group = "g";
    start.event_types = {"order"};
    start.window = Window{static_cast<std::uint32_t>(1 + Pick(12)), 0};
    start.lease = seconds(faults_ ? 1 + Pick(30) : 3600);
    auto stream = std::make_unique<SimStream>();
    stream->reads = !faults_ || !OneIn(4);
    stream->writes = !faults_ || !OneIn(8);
    auto opened = gateway.live->Open(start, *stream);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    stream->subscriber = *std::move(opened);
    stream->Pump();
    gateway.streams.push_back(std::move(stream));
  }

  void OneThing() {
    // A second member means rebalances, which deliver what is held again.
    Gateway& gateway = gateways_[faults_ ? Pick(kGateways) : 0];
    const std::uint64_t what = Pick(100);
    if (what < 25) {
      Publish();
    } else if (what < 50) {
      for (std::uint64_t i = Pick(10); i > 0; --i) broker_.Step();
    } else if (what < 55) {
      if (gateway.streams.size() < 4) OpenStream(gateway);
    } else if (what < 75) {
      if (!gateway.streams.empty()) SettleOne(*gateway.streams[Pick(gateway.streams.size())]);
    } else if (what < 85) {
      time_.Advance(milliseconds(Pick(faults_ ? 4000 : 100)));
    } else if (what < 88) {
      EndStream(gateway);
    } else if (what < 90) {
      for (auto& stream : gateway.streams) stream->Pump();
    } else if (faults_) {
      Fault(what - 90);
    }
  }

  void Publish() {
    const auto partition = static_cast<std::int32_t>(Pick(kPartitions));
    std::optional<std::string> key = std::to_string(Pick(5));
    if (*key == "0") key.reset();
    const bool wanted = !OneIn(20);
    Event event;
    event.id = "id";
    event.type = wanted ? "order" : "nobody.wants.it";
    event.source = "/s";
    event.time = EventTime(time_.WallNow());
    checker_.Published(partition, key, wanted);
    broker_.Append(kTopic, partition, EncodeCloudEvent(std::move(event), key));
  }

  void EndStream(Gateway& gateway) {
    if (gateway.streams.empty()) return;
    const std::size_t which = Pick(gateway.streams.size());
    SimStream& stream = *gateway.streams[which];
    const bool ended = stream.end.has_value();
    if (faults_ && (ended || OneIn(3))) {
      gateway.streams.erase(gateway.streams.begin() + static_cast<std::ptrdiff_t>(which));
    } else if (faults_ && OneIn(2)) {
      stream.subscriber->HalfClosed();
    } else {
      stream.Drain();
    }
  }

  void Fault(std::uint64_t which) {
    Gateway& gateway = gateways_[Pick(kGateways)];
    const int index = static_cast<int>(&gateway - gateways_.data());
    switch (which) {
      case 0:
        broker_.Revoke("g", OneIn(2));
        break;
      case 1:
        broker_.FailCommits(static_cast<int>(Pick(3)));
        break;
      case 2:
        broker_.SetReachable(OneIn(2));
        break;
      case 3:
        if (!OneIn(3)) break;
        Check();
        // A crash: the consumer is gone before its streams.
        gateway.live.reset();
        gateway.streams.clear();
        checker_.Crashed(index);
        Start(index);
        break;
      case 4:
        if (OneIn(3)) broker_.FailConsumers("g", MakeError(Reason::kMemberFenced, "replaced"));
        break;
      case 5:
        if (!gateway.streams.empty()) gateway.streams[0]->reads = OneIn(2);
        break;
      default:
        break;
    }
  }

  // Settles something that was ever delivered to the stream, whether it is held or not.
  void SettleOne(SimStream& stream) {
    if (stream.all.empty() || stream.end.has_value()) return;
    const std::size_t last = stream.all.size();
    const Delivery delivery = stream.all[last - 1 - Pick(std::min<std::size_t>(last, 12))];
    SettleRequest request;
    const std::uint64_t how = faults_ ? Pick(10) : 0;
    Nack nack;
    nack.delivery_id = delivery.id;
    if (how < 6) {
      request.ack = {delivery.id};
    } else if (how < 8) {
      nack.not_counted = OneIn(2);
      if (OneIn(2)) nack.delay = milliseconds(Pick(5000));
      request.nack = {nack};
    } else if (how < 9) {
      nack.action = OneIn(2) ? Nack::Action::kSkip : Nack::Action::kReject;
      request.nack = {nack};
    } else {
      request.extend = {delivery.id};
    }
    const bool settles = !request.ack.empty() || nack.action == Nack::Action::kSkip;
    Send(stream, std::move(request), settles ? std::vector{delivery} : std::vector<Delivery>());
  }

  void SettleAll(SimStream& stream) {
    SettleRequest request;
    std::vector<Delivery> deliveries;
    for (; stream.settled_up_to < stream.all.size(); ++stream.settled_up_to) {
      deliveries.push_back(stream.all[stream.settled_up_to]);
      request.ack.push_back(deliveries.back().id);
    }
    Send(stream, std::move(request), deliveries);
  }

  // A settle counts unless it is answered. What is not read yet is read first, so that its order is
  // seen before the settle.
  void Send(TestStream& stream, SettleRequest request, const std::vector<Delivery>& settles) {
    stream.Pump();
    CheckDeliveries();
    stream.failures.clear();
    const bool ended = stream.end.has_value();
    stream.subscriber->Handle(std::move(request));
    for (const Delivery& delivery : settles) {
      marked_.push_back(delivery);
    }
    // Nothing may be seen of what the settle frees before it is marked.
    Outgoing out = stream.subscriber->Take(0, 0);
    for (SettleFailure& failure : out.failures) stream.failures.push_back(std::move(failure));
    Keep(stream, out);
    std::set<std::uint64_t> refused;
    for (const SettleFailure& failure : stream.failures) refused.insert(failure.delivery_id);
    for (const Delivery& delivery : marked_) {
      if (!ended && !refused.contains(delivery.id)) checker_.Settled(delivery);
    }
    marked_.clear();
    stream.Pump();
  }

  static void Keep(TestStream& stream, const Outgoing& out) {
    for (const Revoked& one : out.revoked) {
      stream.revoked.insert(stream.revoked.end(), one.delivery_ids.begin(), one.delivery_ids.end());
    }
    if (out.end.has_value()) stream.end = out.end;
  }

  void CheckDeliveries() {
    for (int i = 0; i < kGateways; ++i) {
      for (auto& stream : gateways_[static_cast<std::size_t>(i)].streams) {
        for (const Delivery& delivery : stream->TakeBatch()) {
          EXPECT_GT(delivery.id, stream->last_id) << "ids ascend";
          stream->last_id = delivery.id;
          checker_.Delivered(i, delivery, !faults_);
        }
      }
    }
  }

  void Check() {
    CheckDeliveries();
    checker_.CheckPositions(broker_);
    for (Gateway& gateway : gateways_) {
      ASSERT_LE(gateway.live->held(), 12 * gateway.streams.size());
    }
  }

  // No faults any more, an application that does its work; halted records come again after
  // restarts.
  void Heal() {
    broker_.SetReachable(true);
    broker_.FailCommits(0);
    for (int i = 0; i < (faults_ ? kGateways : 1); ++i) {
      Gateway& gateway = gateways_[static_cast<std::size_t>(i)];
      if (faults_) {
        gateway.live.reset();
        checker_.Crashed(i);
        gateway.streams.clear();
        Start(i);
      }
      OpenStream(gateway);
      gateway.streams.back()->reads = true;
      gateway.streams.back()->writes = true;
    }
  }

  const bool faults_;
  std::mt19937_64 random_;
  ManualTime time_;
  MemoryBroker broker_;
  Metrics registry_;
  SubscribeMetrics metrics_{registry_};
  std::shared_ptr<const Router> router_;
  std::array<Gateway, kGateways> gateways_;
  Checker checker_;
  std::vector<Delivery> marked_;
};

class SimulationTest : public testing::TestWithParam<int> {
 protected:
  static constexpr int kSeedsPerTest = 25;

  SimulationTest() { ConfigureLog(LogLevel::kError, LogFormat::kText); }
  ~SimulationTest() override { ConfigureLog(LogLevel::kInfo, LogFormat::kText); }

  void Run(bool faults) {
    for (int i = 0; i < kSeedsPerTest && !HasFailure(); ++i) {
      const auto seed = static_cast<std::uint64_t>(GetParam() * kSeedsPerTest + i + 1);
      SCOPED_TRACE("seed " + std::to_string(seed));
      Simulation(seed, faults).Run();
    }
  }
};

TEST_P(SimulationTest, WithFaultsNothingIsSkippedNorOvertaken) { Run(true); }

TEST_P(SimulationTest, WithoutFaultsEveryRecordIsDeliveredExactlyOnce) { Run(false); }

INSTANTIATE_TEST_SUITE_P(Seeds, SimulationTest, testing::Range(0, 12));

}  // namespace
}  // namespace sidebus
