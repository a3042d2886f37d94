#include "tests/broker_contract/contract.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <utility>

namespace sidebus::contract {
namespace {

std::chrono::steady_clock::time_point Deadline() {
  return std::chrono::steady_clock::now() + kPatience;
}

}  // namespace

void Sent::OnReport(const DeliveryReport& report) {
  MutexLock lock(mu_);
  report_ = report;
  ++reports_;
  changed_.NotifyAll();
}

DeliveryReport Sent::Report() {
  const auto deadline = Deadline();
  MutexLock lock(mu_);
  while (reports_ == 0) {
    if (!changed_.WaitUntil(mu_, deadline)) {
      ADD_FAILURE() << "no delivery report in time";
      break;
    }
  }
  return report_;
}

void Listener::OnReadinessChanged() {
  MutexLock lock(mu_);
  changed_.NotifyAll();
}

testing::AssertionResult Listener::WaitFor(ProducerTopic& topic, TopicReadiness wanted) {
  const auto deadline = Deadline();
  for (;;) {
    const TopicReadiness now = topic.readiness();
    if (now == wanted) return testing::AssertionSuccess();
    if (std::chrono::steady_clock::now() > deadline) {
      return testing::AssertionFailure() << "readiness stays " << static_cast<int>(now);
    }
    MutexLock lock(mu_);
    changed_.WaitUntil(mu_, std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  }
}

void Receiver::SetRoom(Room room) {
  MutexLock lock(mu_);
  room_ = room;
}

void Receiver::OnAssigned(AssignmentId assignment, const std::string& topic,
                          std::int32_t partition) {
  MutexLock lock(mu_);
  for (const auto& [id, where] : held_) {
    if (where == std::pair(topic, partition)) breaches_.push_back("assigned twice");
  }
  if (last_offset_.contains(assignment)) breaches_.push_back("assignment id used again");
  held_.emplace(assignment, std::pair(topic, partition));
  last_offset_.emplace(assignment, -1);
  changed_.NotifyAll();
}

void Receiver::Fill(AssignmentId assignment) {
  MutexLock lock(mu_);
  full_ = assignment;
}

void Receiver::OnTopicsSeen(const TopicsSeen& topics) {
  MutexLock lock(mu_);
  seen_ = topics;
  changed_.NotifyAll();
}

Room Receiver::RoomFor(AssignmentId assignment) {
  MutexLock lock(mu_);
  return assignment == full_ ? Room{} : room_;
}

void Receiver::OnRecords(AssignmentId assignment, std::vector<ConsumedRecord> records) {
  MutexLock lock(mu_);
  if (records.empty()) breaches_.push_back("empty batch");
  largest_batch_ = std::max(largest_batch_, records.size());
  if (records.size() > room_.events) breaches_.push_back("more events than room");
  const auto held = held_.find(assignment);
  if (held == held_.end()) {
    breaches_.push_back("records of a partition that is not assigned");
    return;
  }
  for (ConsumedRecord& record : records) {
    std::int64_t& last = last_offset_[assignment];
    if (record.offset <= last) breaches_.push_back("offsets do not ascend");
    if (record.tag.assignment != assignment) breaches_.push_back("tag of another assignment");
    last = record.offset;
    received_.push_back({held->second.first, held->second.second, std::move(record)});
  }
  changed_.NotifyAll();
}

void Receiver::OnRevoked(AssignmentId assignment, bool) {
  MutexLock lock(mu_);
  if (held_.erase(assignment) != 1) breaches_.push_back("revoked what was not assigned");
  changed_.NotifyAll();
}

void Receiver::OnFailed(const absl::Status& why) {
  MutexLock lock(mu_);
  if (!failure_.ok()) breaches_.push_back("failed twice");
  failure_ = why;
  changed_.NotifyAll();
}

bool Receiver::WaitUntil(const Condition& condition) {
  const auto deadline = Deadline();
  MutexLock lock(mu_);
  while (!condition(*this)) {
    if (!changed_.WaitUntil(mu_, deadline)) return condition(*this);
  }
  return true;
}

std::size_t Receiver::Count(const std::string& value) const {
  return static_cast<std::size_t>(
      std::count_if(received_.begin(), received_.end(),
                    [&](const Received& one) { return one.record.record.value == value; }));
}

std::set<std::string> Receiver::Distinct() const {
  std::set<std::string> values;
  for (const Received& one : received_) values.insert(one.record.record.value.value_or("<null>"));
  return values;
}

testing::AssertionResult Receiver::WaitForRecords(std::size_t count) {
  if (WaitUntil([count](const Receiver& r) { return r.count() >= count; })) {
    return testing::AssertionSuccess();
  }
  // What one wants to know of a failure that does not come again: is a partition missing, or what?
  auto failure = testing::AssertionFailure();
  failure << values().size() << " records instead of " << count;
  MutexLock lock(mu_);
  for (const auto& [assignment, where] : held_) {
    const auto last = last_offset_.find(assignment);
    failure << "; " << where.first << "/" << where.second << " up to "
            << (last == last_offset_.end() ? -1 : last->second);
  }
  if (!failure_.ok()) failure << "; failed: " << failure_;
  return failure;
}

testing::AssertionResult Receiver::WaitForAssigned(std::size_t partitions) {
  if (WaitUntil([=](const Receiver& r) { return r.held().size() == partitions; })) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << assigned().size() << " partitions, not " << partitions;
}

std::vector<std::string> Receiver::values() {
  std::vector<std::string> values;
  for (const Received& one : received())
    values.push_back(one.record.record.value.value_or("<null>"));
  return values;
}

std::vector<Receiver::Received> Receiver::received() {
  MutexLock lock(mu_);
  return received_;
}

std::vector<AssignmentId> Receiver::assigned() {
  MutexLock lock(mu_);
  std::vector<AssignmentId> ids;
  for (const auto& [id, where] : held_) ids.push_back(id);
  return ids;
}

std::size_t Receiver::largest_batch() {
  MutexLock lock(mu_);
  return largest_batch_;
}

std::vector<std::string> Receiver::breaches() {
  MutexLock lock(mu_);
  return breaches_;
}

void BrokerContract::SetUp() {
  fixture_ = GetParam().make();
  if (fixture_ == nullptr) GTEST_SKIP() << GetParam().needs;
}

void BrokerContract::TearDown() {
  producer_.reset();
  fixture_.reset();
}

std::string BrokerContract::UnusedName(const std::string& what) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return fmt::format("{}-{}-{}-{}", what, getpid(), now.count(), ++used_[what]);
}

std::string BrokerContract::NewTopic(int partitions) {
  std::string topic = UnusedName("contract");
  fixture_->CreateTopic(topic, partitions);
  return topic;
}

Producer& BrokerContract::producer() {
  if (producer_ == nullptr) {
    auto made = broker().MakeProducer(listener_);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    producer_ = *std::move(made);
  }
  return *producer_;
}

DeliveryReport BrokerContract::Publish(const std::string& topic, Record record) {
  ProducerTopic& handle = producer().Topic(topic);
  EXPECT_TRUE(listener_.WaitFor(handle, TopicReadiness::kReady));
  Sent sent(std::move(record));
  const absl::Status accepted = producer().Produce(handle, sent);
  EXPECT_TRUE(accepted.ok()) << accepted.ToString();
  if (!accepted.ok()) return {};
  DeliveryReport report = sent.Report();
  EXPECT_TRUE(report.error.ok()) << report.error.ToString();
  return report;
}

void BrokerContract::PublishValues(const std::string& topic, const std::vector<std::string>& values,
                                   const std::optional<std::string>& key) {
  ProducerTopic& handle = producer().Topic(topic);
  ASSERT_TRUE(listener_.WaitFor(handle, TopicReadiness::kReady));
  std::vector<std::unique_ptr<Sent>> sent;
  for (const std::string& value : values) {
    sent.push_back(std::make_unique<Sent>(Record{key, value, {}}));
    ASSERT_TRUE(producer().Produce(handle, *sent.back()).ok());
  }
  for (const auto& one : sent) {
    EXPECT_EQ(one->Report().outcome, DeliveryReport::Outcome::kWritten);
  }
}

std::unique_ptr<Consumer> BrokerContract::Consume(const std::string& group,
                                                  std::vector<std::string> topics,
                                                  Receiver& receiver, StartPosition start,
                                                  std::uint64_t buffer_bytes) {
  ConsumerOptions options;
  options.group = group;
  options.topics = std::move(topics);
  options.start = std::move(start);
  options.member = "contract";
  options.buffer_bytes = buffer_bytes;
  auto made = broker().MakeConsumer(std::move(options), receiver);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return made.ok() ? *std::move(made) : nullptr;
}

std::string BrokerContract::StandAtTwo(const std::string& topic) {
  const std::string group = UnusedName("group");
  PublishValues(topic, Numbers(0, 3));
  Receiver receiver;
  auto consumer = Consume(group, {topic}, receiver);
  EXPECT_TRUE(receiver.WaitForRecords(3));
  for (const auto& one : receiver.received()) {
    if (one.record.offset < 2) {
      EXPECT_TRUE(consumer->Ack(one.record.tag));
    }
  }
  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());
  return group;
}

absl::Status CommitAll(Consumer& consumer) {
  auto done = std::make_shared<std::promise<absl::Status>>();
  auto result = done->get_future();
  consumer.Commit([done](absl::Status status) { done->set_value(std::move(status)); });
  if (result.wait_for(kPatience) != std::future_status::ready) {
    return absl::DeadlineExceededError("Commit() was not answered");
  }
  return result.get();
}

absl::Status CloseAndWait(std::unique_ptr<Consumer> consumer) {
  auto done = std::make_shared<std::promise<absl::Status>>();
  auto result = done->get_future();
  consumer->Close([done](absl::Status status) { done->set_value(std::move(status)); });
  if (result.wait_for(kPatience) != std::future_status::ready) {
    return absl::DeadlineExceededError("Close() was not answered");
  }
  return result.get();
}

std::vector<std::string> Numbers(int from, int to) {
  std::vector<std::string> numbers;
  for (int i = from; i < to; ++i) numbers.push_back(std::to_string(i));
  return numbers;
}

Record ValueOf(const std::string& value) { return Record{std::nullopt, value, {}}; }

}  // namespace sidebus::contract
