#include "server/broker/kafka/send_gate.h"

#include <gmock/gmock.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

namespace sidebus {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Then = SendGate::Then;

class Numbered final : public PendingRecord {
 public:
  void OnReport(const DeliveryReport&) override {}
};

class SendGateTest : public testing::Test {
 protected:
  Then Add() { return gate_.Add({nullptr, &records_.emplace_back()}); }

  // Records that go at once, and are with the broker then.
  void SendAtOnce(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(Add(), Then::kSend);
      ASSERT_FALSE(gate_.Sent(0));
    }
  }

  std::deque<Numbered> records_;
  SendGate gate_;
};

TEST_F(SendGateTest, AFewRecordsGoAtOnce) {
  SendAtOnce(SendGate::kFew);

  EXPECT_EQ(Add(), Then::kWake) << "and the next one waits";
  EXPECT_EQ(Add(), Then::kWait) << "the poll thread was told";
}

TEST_F(SendGateTest, WhatWaitedGoesTogetherWhenAReportComesIn) {
  SendAtOnce(SendGate::kFew);
  Add();
  Add();

  gate_.Reported(1);
  const auto items = gate_.TakeAll();

  ASSERT_THAT(items, SizeIs(2));
  EXPECT_EQ(items[0].record, &records_[SendGate::kFew]);
  EXPECT_EQ(items[1].record, &records_[SendGate::kFew + 1]);
  EXPECT_FALSE(gate_.Sent(0));
  EXPECT_THAT(gate_.TakeAll(), IsEmpty());
}

TEST_F(SendGateTest, ManyDoNotWaitForAReport) {
  SendAtOnce(SendGate::kFew);
  for (std::size_t i = SendGate::kFew + 1; i < SendGate::kMany; ++i) ASSERT_NE(Add(), Then::kSend);

  EXPECT_EQ(Add(), Then::kSendAll);
  EXPECT_THAT(gate_.TakeAll(), SizeIs(SendGate::kMany - SendGate::kFew));
  EXPECT_FALSE(gate_.Sent(0));

  EXPECT_EQ(Add(), Then::kSend) << "the broker is busy: librdkafka makes the batches";
}

TEST_F(SendGateTest, NobodyOvertakesWhatIsBeingSent) {
  SendAtOnce(SendGate::kFew);
  Add();
  gate_.Reported(SendGate::kFew);
  ASSERT_THAT(gate_.TakeAll(), SizeIs(1));

  EXPECT_NE(Add(), Then::kSend);
  EXPECT_THAT(gate_.TakeAll(), IsEmpty()) << "one thread at a time";
  gate_.Sent(0);
  EXPECT_THAT(gate_.TakeAll(), SizeIs(1));
}

TEST_F(SendGateTest, NobodyOvertakesARecordThatGoesAtOnce) {
  ASSERT_EQ(Add(), Then::kSend);

  EXPECT_NE(Add(), Then::kSend);
  gate_.Sent(0);
  EXPECT_THAT(gate_.TakeAll(), SizeIs(1));
}

TEST_F(SendGateTest, WhatWasRefusedIsNotWithTheBroker) {
  SendAtOnce(SendGate::kFew - 1);
  ASSERT_EQ(Add(), Then::kSend);
  gate_.Sent(1);

  EXPECT_EQ(Add(), Then::kSend);
}

TEST_F(SendGateTest, ThePollThreadLooksSoonWhileAnythingMayWait) {
  EXPECT_FALSE(gate_.LooksSoon());
  SendAtOnce(SendGate::kFew);
  EXPECT_TRUE(gate_.LooksSoon());
  EXPECT_EQ(Add(), Then::kWait) << "it looks soon anyhow";
  gate_.Reported(SendGate::kFew);
  EXPECT_TRUE(gate_.LooksSoon());
  gate_.TakeAll();
  gate_.Sent(0);
  gate_.Reported(1);
  EXPECT_FALSE(gate_.LooksSoon());
}

TEST_F(SendGateTest, WhatWaitsCanBeGivenUp) {
  SendAtOnce(SendGate::kFew);
  Add();

  EXPECT_THAT(gate_.GiveUp(),
              ElementsAre(testing::Field(&SendGate::Item::record, &records_[SendGate::kFew])));
  EXPECT_THAT(gate_.TakeAll(), IsEmpty());
}

// Whatever happens, every record leaves once, in order.
TEST_F(SendGateTest, RecordsLeaveInOrder) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    SendGate gate;
    std::deque<Numbered> records;
    std::vector<const PendingRecord*> sent;
    std::vector<SendGate::Item> taken;  // being sent
    bool one = false;                   // a single one is
    std::size_t with_broker = 0;
    const auto finish = [&] {
      for (const auto& item : taken) sent.push_back(item.record);
      with_broker += taken.size() + (one ? 1 : 0);
      if (one || !taken.empty()) gate.Sent(0);
      one = false;
      taken.clear();
    };
    for (int step = 0; step < 500; ++step) {
      switch (random() % 5) {
        case 0:
        case 1:
          if (gate.Add({nullptr, &records.emplace_back()}) != Then::kSend) break;
          ASSERT_TRUE(taken.empty() && !one);
          one = true;
          sent.push_back(&records.back());
          break;
        case 2:
          finish();
          break;
        case 3:
          if (auto items = gate.TakeAll(); !items.empty()) {
            ASSERT_TRUE(taken.empty() && !one);
            taken = std::move(items);
          }
          break;
        default:
          if (with_broker == 0) break;
          gate.Reported(1);
          --with_broker;
      }
    }
    finish();
    taken = gate.TakeAll();
    finish();
    ASSERT_EQ(sent.size(), records.size());
    for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(sent[i], &records[i]) << i;
  }
}

}  // namespace
}  // namespace sidebus
