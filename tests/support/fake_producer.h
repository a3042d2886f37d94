#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/base/mutex.h"
#include "server/broker/producer.h"

namespace sidebus {

// A producer that a test plays: the test says which topics are ready, sees what was accepted, and
// reports it in any order with any outcome.
//
// Thread safety: all methods may be called from any thread. Reports and the listener run on the
// thread that causes them, with no lock held.
class FakeProducer final : public Producer {
 public:
  struct Accepted {
    std::string topic;
    PendingRecord* record = nullptr;
  };

  // What `topic` (with prefix) answers from now on; tells `listener`, if any. Topics begin ready.
  void SetReadiness(const std::string& topic, TopicReadiness readiness,
                    ProducerListener* listener = nullptr) {
    TopicOf(topic).Set(readiness);
    if (listener != nullptr) listener->OnReadinessChanged();
  }

  // What `topic` answers the next time it is asked, before what SetReadiness() said.
  void SetReadinessOnce(const std::string& topic, TopicReadiness readiness) {
    TopicOf(topic).SetOnce(readiness);
  }

  // Produce() to `topic` answers this from now on; OK: it accepts again.
  void RefuseWith(const std::string& topic, absl::Status status) {
    TopicOf(topic);
    MutexLock lock(mu_);
    refusals_[topic] = std::move(status);
  }

  // Accepted and not taken, in the order of the calls.
  std::vector<Accepted> accepted() const {
    MutexLock lock(mu_);
    return accepted_;
  }

  // Takes what is accepted, to report it one by one.
  std::vector<Accepted> TakeAccepted() {
    MutexLock lock(mu_);
    return std::exchange(accepted_, {});
  }

  // Reports all that is accepted as written; returns how many records that was.
  std::size_t WriteAll() {
    const std::vector<Accepted> records = TakeAccepted();
    for (const Accepted& record : records) Write(record);
    return records.size();
  }

  void Write(const Accepted& accepted) {
    std::int64_t offset = 0;
    {
      MutexLock lock(mu_);
      offset = next_offset_[accepted.topic]++;
    }
    Report(accepted, {DeliveryReport::Outcome::kWritten, absl::OkStatus(), 0, offset});
  }

  void Report(const Accepted& accepted, const DeliveryReport& report) {
    {
      MutexLock lock(mu_);
      --in_flight_;
    }
    accepted.record->OnReport(report);
  }

  ProducerTopic& Topic(const std::string& full_name) override { return TopicOf(full_name); }

  absl::Status Produce(ProducerTopic& topic, PendingRecord& record) override {
    MutexLock lock(mu_);
    const auto refusal = refusals_.find(topic.name());
    if (refusal != refusals_.end() && !refusal->second.ok()) return refusal->second;
    accepted_.push_back({topic.name(), &record});
    ++in_flight_;
    return absl::OkStatus();
  }

  // Only remembered: see topics_to_make().
  void CreateTopic(ProducerTopic& topic, const std::string& like,
                   absl::AnyInvocable<void(absl::Status)>) override {
    MutexLock lock(mu_);
    topics_to_make_.emplace_back(topic.name(), like);
  }

  // What was asked for, and of which topic it is to have the partitions.
  std::vector<std::pair<std::string, std::string>> topics_to_make() const {
    MutexLock lock(mu_);
    return topics_to_make_;
  }

  BrokerCondition condition() const override { return {true, {}}; }

  std::size_t in_flight() const override {
    MutexLock lock(mu_);
    return in_flight_;
  }

  bool Flush(SteadyTime) override { return in_flight() == 0; }

  void Purge() override {
    for (const Accepted& accepted : TakeAccepted()) {
      Report(accepted, {DeliveryReport::Outcome::kNotWritten,
                        MakeError(Reason::kBrokerDown, "given up"), -1, -1});
    }
  }

 private:
  class FakeTopic final : public ProducerTopic {
   public:
    explicit FakeTopic(std::string name) : name_(std::move(name)) {}

    const std::string& name() const override { return name_; }

    TopicReadiness readiness() override {
      MutexLock lock(mu_);
      if (once_.empty()) return readiness_;
      const TopicReadiness first = once_.front();
      once_.pop_front();
      return first;
    }

    void Set(TopicReadiness readiness) {
      MutexLock lock(mu_);
      readiness_ = readiness;
    }
    void SetOnce(TopicReadiness readiness) {
      MutexLock lock(mu_);
      once_.push_back(readiness);
    }

   private:
    const std::string name_;
    Mutex mu_;
    TopicReadiness readiness_ ABSL_GUARDED_BY(mu_) = TopicReadiness::kReady;
    std::deque<TopicReadiness> once_ ABSL_GUARDED_BY(mu_);
  };

  FakeTopic& TopicOf(const std::string& full_name) {
    MutexLock lock(mu_);
    auto& topic = topics_[full_name];
    if (topic == nullptr) topic = std::make_unique<FakeTopic>(full_name);
    return *topic;
  }

  mutable Mutex mu_;
  std::map<std::string, std::unique_ptr<FakeTopic>> topics_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, absl::Status> refusals_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::int64_t> next_offset_ ABSL_GUARDED_BY(mu_);
  std::vector<std::pair<std::string, std::string>> topics_to_make_ ABSL_GUARDED_BY(mu_);
  std::vector<Accepted> accepted_ ABSL_GUARDED_BY(mu_);
  std::size_t in_flight_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sidebus
