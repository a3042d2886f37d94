#include "server/subscribe/awaited_schemas.h"

#include <fmt/format.h>

#include <algorithm>

namespace sidebus {
namespace {

// Copied at a time, unless a single record is larger.
constexpr std::size_t kBatchRecords = 64;
constexpr std::uint64_t kBatchBytes = 1 << 20;

}  // namespace

void AwaitedSchemas::Await(BufferedRecord& record, const AwaitedSchema& schema) {
  record.state = RecordState::kDecoding;
  record.awaited = schema.id;
  records_.insert_or_assign(record.number, &record);
  const auto [wait, first] = waits_.try_emplace(schema.id);
  if (first) {
    wait->second.why = schema.why;
    AskAt(schema.id, wait->second, schema.ask_at);
  }
  MoveToBack(record, wait->second.records);
}

void AwaitedSchemas::Leave(BufferedRecord& record) {
  records_.erase(record.number);
  LeavePlace(record);
  ForgetIfIdle(record.awaited);
}

std::vector<SchemaId> AwaitedSchemas::TakeQuestions(SteadyTime now) {
  std::vector<SchemaId> questions;
  while (!due_.empty() && due_.begin()->first <= now) {
    const SchemaId id = due_.begin()->second;
    due_.erase(due_.begin());
    waits_.at(id).asked = true;
    questions.push_back(id);
  }
  return questions;
}

void AwaitedSchemas::NoAnswer(SchemaId id, const std::string& why, SteadyTime now) {
  const auto found = waits_.find(id);
  if (found == waits_.end() || !found->second.asked) return;
  Wait& wait = found->second;
  wait.asked = false;
  wait.why = why;
  wait.pause = std::clamp(2 * wait.pause, kMinPause, kMaxPause);
  AskAt(id, wait, now + wait.pause);
  ForgetIfIdle(id);
}

void AwaitedSchemas::Answered(SchemaId id) {
  const auto found = waits_.find(id);
  if (found == waits_.end() || !found->second.asked) return;
  Wait& wait = found->second;
  while (!wait.records.empty()) MoveToBack(*wait.records.front(), to_decode_);
  waits_.erase(found);
}

std::vector<RecordToDecode> AwaitedSchemas::TakeToDecode() {
  std::vector<RecordToDecode> batch;
  std::uint64_t bytes = 0;
  while (!to_decode_.empty() && batch.size() < kBatchRecords) {
    BufferedRecord& record = *to_decode_.front();
    bytes += record.bytes;
    if (bytes > kBatchBytes && !batch.empty()) break;
    batch.push_back({.number = record.number, .record = record.rest});
    MoveToBack(record, being_decoded_);
  }
  return batch;
}

BufferedRecord* AwaitedSchemas::Find(std::uint64_t number) const {
  const auto found = records_.find(number);
  return found == records_.end() ? nullptr : found->second;
}

std::optional<SteadyTime> AwaitedSchemas::NextDue() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

std::string AwaitedSchemas::WhyWaits(const BufferedRecord& record) const {
  const auto found = waits_.find(record.awaited);
  if (found == waits_.end() || record.place != &found->second.records) return "is being decoded";
  const std::string& why = found->second.why;
  return fmt::format("waits for schema {}: {}", record.awaited.value(),
                     why.empty() ? "the registry is being asked" : why);
}

void AwaitedSchemas::AskAt(SchemaId id, Wait& wait, SteadyTime when) {
  wait.ask_at = when;
  due_.emplace(when, id);
}

void AwaitedSchemas::ForgetIfIdle(SchemaId id) {
  const auto found = waits_.find(id);
  if (found == waits_.end() || found->second.asked || !found->second.records.empty()) return;
  due_.erase({found->second.ask_at, id});
  waits_.erase(found);
}

}  // namespace sidebus
