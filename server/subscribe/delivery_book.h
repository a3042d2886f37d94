#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/functional/function_ref.h"
#include "server/base/memory_budget.h"
#include "server/subscribe/awaited_schemas.h"
#include "server/subscribe/dead_letters.h"
#include "server/subscribe/decoded_record.h"
#include "server/subscribe/group_state.h"
#include "server/subscribe/partition_buffer.h"
#include "server/subscribe/stream_state.h"
#include "server/subscribe/topic_queues.h"

namespace sidebus {

// Who holds which record of a group, and what becomes of it: the records that were taken from the
// consumer and are not settled, their lanes, attempts, leases and backoffs.
//
// clang-format off
//  state \ input  dispatch  ack       nack retry,       nack      nack      backoff  stream   letter   revoked
//                                     lease over        reject    skip      over     gone     written
//  decoding*3     -         -         -                 -         -         -        -        -        gone
//  ready          held      settled*  -                 -         -         -        -        -        gone
//  held           -         settled   waiting; without  dead-     settled   -        ready,   -        gone,
//                                     attempts left     lettering                    front;            told
//                                     dead-lettering,                                or as
//                                     halted, settled                                without
//                                                                                    attempts
//  waiting        -         settled*  -                 dead-     settled*  ready    -        -        gone
//                                                       lettering*
//  dead-lettering -         -         -                 -         -         written  -        settled  gone*2
//                                                                           again
//  halted         -         settled*  -                 dead-     settled*  -        -        -        gone
//                                                       lettering*
// clang-format on
//
//   *  by the last holder, as long as the record was not handed out again. "-": nothing changes;
//      a stream that settled such an id is told (LEASE_EXPIRED, DELIVERY_REVOKED,
//      DELIVERY_UNKNOWN). Held but not taken yet by the stream's transport: the id is unknown.
//   *2 a letter that is under way may still be confirmed in the grace of a revocation
//   *3 ready when its schema is there; as one that is no event when there can never be one. Nobody
//      holds it, nor has its id.
//
// Without dead letters, halted stands for dead-lettering. A record that is no event, or too large for
// any stream, is dead-lettered (or halted, or settled: `on_undecodable`) when it is the first of its
// lane. A letter that cannot be written is written again with back-off; one that is too large even
// without its detail is halted.
//
// A record of Open edX whose schema is not there is decoding, wherever it is in its lane: it keeps its
// place, its partition and its memory, and those behind it wait. While the registry does not answer
// it waits on. Lanes are by the bytes of the key in the record, framing and all, so they are the same
// for what is decoded and what is not. (One key under two schema ids is two lanes; it is two keys to
// Kafka, too, which mostly puts them into different partitions.)
//
// A stream that vanishes interrupts what it held. After some interruptions a record is delivered
// alone, with nothing else held by that stream, so that one that makes applications crash is told
// from its neighbours; after `max_interruptions` it is exhausted.
//
// A partition that is being given up (BeginRevoke) has only what streams were given and hold: it may
// be settled; whatever else would become of it, it is gone.
//
// Invariants: of a lane only the first record is ever handed out; a record is settled only by its
// last holder, by the exhausted policy, or because no stream wants its type; settled and revoked
// records are forgotten. Broadcast never halts: what would, is settled.
//
// Ownership: owns records, lanes and partitions; borrows streams between Attach() and Detach().
// Thread safety: none; Subscription guards it. It never calls out: what it decided is in
// `Decisions`, taken after each batch of inputs.
// Cost: O(1) per event and input, plus the number of streams that named the type to dispatch.
class DeliveryBook {
 public:
  struct Settings {
    std::string group;
    Ordering ordering = Ordering::kByKey;
    Duration max_delay{};
    Duration linger{};
    std::uint32_t max_interruptions = 10;
    bool dead_letters = false;
    Undecodable on_undecodable = Undecodable::kHalt;
    std::uint64_t max_delivery_bytes = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t seed = 0;
  };

  struct Decisions {
    std::vector<DeliveryTag> settled;
    std::vector<AssignmentId> room_returned;
    std::vector<std::shared_ptr<StreamState>> touched;  // may have something to send, or hold less
    std::optional<SteadyTime> due;                      // something new is due then
  };

  DeliveryBook(Settings settings, std::shared_ptr<const Router> router, SubscribeMetrics& metrics,
               MemoryBudget& budget);
  ~DeliveryBook();
  DeliveryBook(const DeliveryBook&) = delete;
  DeliveryBook& operator=(const DeliveryBook&) = delete;

  void Attach(StreamState& stream, SteadyTime now);
  // Returns what the stream holds to the front of its lanes; `interrupted` when its end was
  // abnormal.
  void Detach(StreamState& stream, bool interrupted, SteadyTime now);
  void SetWindow(StreamState& stream, const Window& window);

  PartitionBuffer& Assign(AssignmentId assignment, const std::string& full_topic,
                          std::int32_t partition);
  // Forgets what nobody holds; holders are told that they may settle the rest until then.
  void BeginRevoke(AssignmentId assignment, SteadyTime until);
  std::size_t HeldOf(AssignmentId assignment);
  void Revoke(AssignmentId assignment, SteadyTime now);
  void RevokeAll(SteadyTime now);
  PartitionBuffer* Find(AssignmentId assignment);  // null: not assigned
  Room RoomFor(PartitionBuffer& partition, SteadyTime now);
  void Add(PartitionBuffer& partition, std::vector<DecodedRecord> records, SteadyTime now);

  // What became of a record that was to be decoded (delivery_book_decoding.cc). One that is gone is of
  // no interest any more.
  void Decoded(std::uint64_t number, DecodedEvent decoded, SteadyTime now);

  // Hands ready records to streams with room: most room first, types in turn.
  void Dispatch();

  void Ack(StreamState& stream, std::uint64_t id, SteadyTime now);
  void Settle(StreamState& stream, const Nack& nack, SteadyTime now);
  void Extend(StreamState& stream, std::uint64_t id, SteadyTime now);
  // Answers that the stream cannot settle this id (any more).
  void Refuse(StreamState& stream, std::uint64_t id, SteadyTime now);
  std::vector<Delivery> Take(StreamState& stream, std::uint32_t max_events, std::uint64_t max_bytes,
                             SteadyTime now, SystemTime wall_now);
  void Written(StreamState& stream, SteadyTime now);
  // Held deliveries go back; a stream that was not given them yet cannot have been interrupted.
  void ReturnHeld(StreamState& stream, bool interrupted, SteadyTime now);
  void ReturnQueued(StreamState& stream);

  // Leases, backoffs, wishes of streams that left.
  void RunDue(SteadyTime now);
  std::optional<SteadyTime> NextDue(SteadyTime now) const;

  // The next letter to be written, with memory reserved by `reserve` (bytes); nullopt: there is
  // none, or no memory for it now.
  struct LetterToWrite {
    DeadLetter letter;
    std::uint64_t reserved = 0;
  };
  std::optional<LetterToWrite> TakeLetter(absl::FunctionRef<bool(std::uint64_t)> reserve,
                                          SteadyTime now, SystemTime wall_now);
  // What became of it. A letter whose record is gone is of no interest any more.
  void LetterDone(std::uint64_t number, const absl::Status& written, SteadyTime now);

  // For operators (delivery_book_explain.cc): where each partition stands, in no order; and
  // skipping or rejecting the first unsettled record of one. The head's topic is without prefix.
  std::vector<PartitionState> Explain(SteadyTime now) const;
  absl::Status SettleHead(const Position& head, Nack::Action action, std::string_view reason,
                          SteadyTime now);

  Decisions TakeDecisions();
  void Touch(StreamState& stream);

  Topics& topics() { return topics_; }
  AwaitedSchemas& awaited() { return awaited_; }
  std::size_t stream_count() const { return streams_.size(); }
  std::size_t held() const;
  std::size_t unsettled() const { return unsettled_; }
  std::uint64_t unsettled_bytes() const { return unsettled_bytes_; }
  std::size_t held_back() const { return held_back_; }
  std::size_t dead_lettering() const { return letters_.size(); }
  // Letters that will be written soon, as far as anybody knows.
  std::size_t awaited_letters() const { return awaited_letters_; }
  // Of records that are not in their dead-letter topic yet, awaited or not.
  std::size_t letters() const { return letters_.size(); }
  std::size_t paused(Paused why) const;
  Duration OldestUnsettled(SteadyTime now) const;
  // When the records were written that are to be committed next, the oldest of each topic (without
  // prefix). Not those of partitions of which nothing is buffered.
  std::map<std::string, SystemTime> OldestRecords() const;

 private:
  // Others give memory back without telling us: when to ask again.
  static constexpr Duration kMemoryRetry = std::chrono::milliseconds(100);

  using Due = std::tuple<SteadyTime, std::uint64_t, BufferedRecord*>;

  bool broadcast() const { return settings_.group.empty(); }
  bool Wanted(const TypeQueue& queue, SteadyTime now) const;
  void AddOne(PartitionBuffer& partition, DecodedRecord decoded, SteadyTime now);
  void Unwanted(TypeQueue& queue, const TopicQueues& topic);
  void SetEvent(BufferedRecord& record, TypeQueue* type, DecodedEvent decoded, SteadyTime now);
  void HoldBack(BufferedRecord& record);
  void StopDecoding(BufferedRecord& record);
  bool IsSkipped(const BufferedRecord& record) const;
  static std::shared_ptr<const Event> EventFor(const BufferedRecord& record,
                                               const StreamState& stream);
  void Begin(BufferedRecord& record, SteadyTime now);
  void MakeReady(BufferedRecord& record, bool front);
  void BecameFirst(BufferedRecord* record, SteadyTime now);
  StreamState* MostRoom(const TypeQueue& queue, const BufferedRecord& record);
  void Hand(BufferedRecord& record, StreamState& stream);
  void Release(BufferedRecord& record);
  void ForgetHolder(BufferedRecord& record);
  void Return(BufferedRecord& record);
  void Interrupt(BufferedRecord& record, SteadyTime now);
  void Exhaust(BufferedRecord& record, DeadReason reason, std::string_view why, SteadyTime now);
  void Fail(BufferedRecord& record, bool counted, std::optional<Duration> delay,
            std::string_view why, SteadyTime now);
  void GiveUp(BufferedRecord& record, DeadReason reason, bool dead_letter);
  void Halt(BufferedRecord& record, std::string_view what);
  void LeaveLetters(BufferedRecord& record);
  void StopAwaiting(BufferedRecord& record);
  void WriteLater(BufferedRecord& record, const absl::Status& why, SteadyTime now);
  void LeaveState(BufferedRecord& record);
  void Wait(BufferedRecord& record, Duration wait, SteadyTime now);
  void Finish(BufferedRecord& record, SteadyTime now);
  void SettleRecord(BufferedRecord& record, Counter& result, SteadyTime now);
  BufferedRecord* TakeOut(BufferedRecord& record);
  void Drop(BufferedRecord& record);
  void Forget(BufferedRecord& record);
  void NoteDue(SteadyTime when);
  void ReturnRoom(PartitionBuffer& partition);
  bool HasShareAgain(const PartitionBuffer& partition) const;
  void CountWindows();
  void SettleUnwanted(SteadyTime now);
  BufferedRecord* Given(StreamState& stream, std::uint64_t id);

  const Settings settings_;
  MemoryBudget& budget_;
  std::mt19937_64 random_;
  GroupMetrics metrics_;
  Topics topics_;
  RecordPool pool_;
  AwaitedSchemas awaited_;
  std::map<AssignmentId, std::unique_ptr<PartitionBuffer>> partitions_;
  std::vector<StreamState*> streams_;
  std::set<Due> backoffs_;
  absl::flat_hash_map<std::uint64_t, BufferedRecord*> letters_;  // dead-lettering, by number
  PlaceList to_write_;
  PlaceList under_way_;
  std::size_t awaited_letters_ = 0;
  std::optional<SteadyTime> retry_memory_;  // when partitions without memory are asked again
  SteadyTime swept_{};

  std::vector<TypeQueue*> active_;  // have ready records; dispatched in turn
  std::size_t turn_ = 0;
  std::uint64_t round_ = 0;

  std::uint64_t last_number_ = 0;
  std::size_t unsettled_ = 0;
  std::uint64_t unsettled_bytes_ = 0;
  std::size_t held_back_ = 0;  // waiting, dead-lettering or halted; first of its lane and decoding
  std::uint32_t share_events_ = 0;
  std::uint64_t share_bytes_ = 0;
  Decisions decisions_;
};

}  // namespace sidebus
