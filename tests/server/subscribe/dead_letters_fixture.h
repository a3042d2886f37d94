#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/codec/dead_letter.h"
#include "server/subscribe/dead_letters.h"
#include "tests/server/subscribe/settling_fixture.h"

namespace sidebus {

// Groups with dead letters, written by a producer of the memory broker.
class DeadLettersTest : public SettlingTest, private ProducerListener {
 protected:
  inline static const std::string kDeadTopic = "t-orders.g.dead";

  DeadLettersTest() {
    options_.retry.on_exhausted = Exhausted::kDeadLetter;
    options_.on_undecodable = Undecodable::kDeadLetter;
    Use({});
  }
  ~DeadLettersTest() override { live_.reset(); }

  void Use(DeadLetterOptions options) {
    live_.reset();
    dead_ = std::make_unique<DeadLetters>(std::move(options), router_, *producer_, dead_budget_,
                                          time_, time_);
    dead_letters_ = dead_.get();
    Restart();
  }

  std::vector<Record> Letters(const std::string& topic = kDeadTopic, std::int32_t partition = 0) {
    return broker_.Read(topic, partition);
  }
  std::vector<std::string> LetterData() {
    std::vector<std::string> data;
    for (const Record& letter : Letters()) data.push_back(letter.value.value_or("<null>"));
    return data;
  }
  DeadLetterNote NoteOf(const Record& letter) {
    return ReadDeadLetterNote(RawRecordOf(letter).headers).value_or(DeadLetterNote{});
  }
  // The broker works while time passes.
  void Pass(Duration by) {
    Settle();
    for (Duration passed{}; passed < by; passed += std::chrono::milliseconds(100))
      Advance(std::chrono::milliseconds(100));
  }
  // The topic is there, so that the first letter is written at once.
  void MakeTopic() { broker_.CreateTopic(kDeadTopic, 1); }

  void OnReadinessChanged() override {}

  MemoryBudget dead_budget_{1 << 20};
  std::unique_ptr<Producer> producer_ = *broker_.MakeProducer(*this);
  std::unique_ptr<DeadLetters> dead_;
};

}  // namespace sidebus
