#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/avro/avro_schema.h"
#include "server/base/clock.h"
#include "server/broker/consumer.h"
#include "server/codec/confluent_frame.h"
#include "server/codec/dead_letter.h"
#include "server/event/event.h"
#include "server/subscribe/intrusive_list.h"

namespace sidebus {

struct Lane;
struct PartitionBuffer;
struct StreamState;
struct TypeQueue;
struct BufferedRecord;

// What becomes of a record is in DeliveryBook's table. Gone and settled records are not kept.
enum class RecordState : std::uint8_t {
  kDecoding,       // waits for its schema
  kReady,          // may be handed out as soon as it is first in its lane
  kHeld,           // a stream has it
  kWaiting,        // for its backoff
  kDeadLettering,  // until it is in the dead-letter topic
  kHalted,         // until an operator or its last holder settles it
};

// What went wrong with a record so far.
struct Failure {
  std::string detail;     // the last time, for people
  SteadyTime first_at{};  // the first time
  // While dead-lettering.
  DeadReason reason = DeadReason::kExhausted;
  std::uint32_t writes = 0;  // that failed
  std::string write_error;   // of the last one
  bool alone = false;        // the letter was too large, maybe only together with others
  bool truncated = false;    // and alone, with its detail
  bool awaited = false;      // those who leave wait for it
};

// A record that was taken from the consumer and is not settled.
//
// Ownership: RecordPool. Linked into its partition always; into its lane from arrival to the end;
// and into at most one *place*: the type's queue (ready and first in its lane), one of its holder's
// lists (held), DeliveryBook's list of letters to write, or one of AwaitedSchemas (decoding).
struct BufferedRecord {
  DeliveryTag tag;
  std::int64_t offset = -1;
  SystemTime broker_time{};
  std::uint64_t number = 0;            // of arrival in this subscription; breaks ties
  std::shared_ptr<const Event> event;  // null: could not be decoded; decoding: its headers only
  std::shared_ptr<const AvroSchema> schema;  // of the event's data; null: they are as stored
  RawRecord rest;                            // what the event did not take of the record
  std::unique_ptr<Failure> failure;          // null: nothing failed yet
  std::uint64_t bytes = 0;                   // counts against windows
  std::uint64_t cost = 0;                    // taken from the memory budget

  PartitionBuffer* partition = nullptr;
  TypeQueue* type = nullptr;  // null: could not be decoded
  Lane* lane = nullptr;       // null: independent of all others

  RecordState state = RecordState::kReady;
  bool too_large = false;   // for any stream
  bool holds_back = false;  // while decoding: is the first of its lane
  SchemaId awaited;         // while decoding
  std::uint32_t attempt = 1;
  std::uint32_t interruptions = 0;
  std::uint32_t delivered = 0;  // the attempt of the last delivery; 0: none yet

  // Who was handed it last, and under which id; null when nobody was or they left.
  StreamState* holder = nullptr;
  std::uint64_t delivery_id = 0;

  SteadyTime buffered_at{};
  SteadyTime taken_at{};  // by the holder's transport
  SteadyTime due{};       // end of the lease, of the backoff, or of the wait for the next write

  ListHook<BufferedRecord> in_partition;
  ListHook<BufferedRecord> in_lane;
  ListHook<BufferedRecord> in_place;
  IntrusiveList<BufferedRecord, &BufferedRecord::in_place>* place = nullptr;
};

// Something went wrong with the record; the first kMaxDeadDetail bytes say what.
inline void NoteFailure(BufferedRecord& record, std::string_view detail, SteadyTime now) {
  if (record.failure == nullptr) {
    record.failure = std::make_unique<Failure>();
    record.failure->first_at = now;
  }
  record.failure->detail = detail.substr(0, kMaxDeadDetail);
}

using PlaceList = IntrusiveList<BufferedRecord, &BufferedRecord::in_place>;

inline void LeavePlace(BufferedRecord& record) {
  if (record.place == nullptr) return;
  record.place->Erase(record);
  record.place = nullptr;
}

inline void MoveToBack(BufferedRecord& record, PlaceList& place) {
  LeavePlace(record);
  place.PushBack(record);
  record.place = &place;
}

inline void MoveToFront(BufferedRecord& record, PlaceList& place) {
  LeavePlace(record);
  place.PushFront(record);
  record.place = &place;
}

// Stable storage for records; freed ones are used again. Thread safety: none.
class RecordPool {
 public:
  BufferedRecord& Make() {
    if (free_.empty()) return records_.emplace_back();
    BufferedRecord& record = *free_.back();
    free_.pop_back();
    return record;
  }

  // The record must be in no list.
  void Free(BufferedRecord& record) {
    record = BufferedRecord();
    free_.push_back(&record);
    if (free_.size() < records_.size() || records_.size() <= kKept) return;
    free_ = {};
    records_.clear();
  }

 private:
  static constexpr std::size_t kKept = 1024;  // the memory of more is given back when none is used

  std::deque<BufferedRecord> records_;
  std::vector<BufferedRecord*> free_;
};

}  // namespace sidebus
