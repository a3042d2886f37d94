#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/subscribe/buffered_record.h"
#include "server/subscribe/decoded_record.h"

namespace sidebus {

// The records of a group that wait for their schemas (state decoding), and the questions that they
// have.
//
//   Await() ─▶ waiting for a schema ──Answered()──▶ to be decoded ──TakeToDecode()──▶ being decoded
//                      ▲                                                                   │
//                      └────────────────── Await(): another schema, or again ──────────────┤
//                                                                                   Leave() ▼
//
// Each schema is asked for once at a time: TakeQuestions() ─▶ Answered(), or NoAnswer(), and then it
// is asked for again after a pause.
//
// Invariant: a schema that nobody waits for is forgotten, unless it is being asked for.
// Bounded: by the records of the group, and the questions that it asked.
// Ownership: borrows records between Await() and Leave(). Thread safety: none; part of DeliveryBook.
class AwaitedSchemas {
 public:
  static constexpr Duration kMinPause = std::chrono::milliseconds(250);
  static constexpr Duration kMaxPause = std::chrono::seconds(1);

  // The record is in state decoding from now on, until Leave().
  void Await(BufferedRecord& record, const AwaitedSchema& schema);
  void Leave(BufferedRecord& record);

  // Schemas to be asked for now.
  std::vector<SchemaId> TakeQuestions(SteadyTime now);
  // The registry is down.
  void NoAnswer(SchemaId id, const std::string& why, SteadyTime now);
  // Who waited for that schema can go on, or knows better why not.
  void Answered(SchemaId id);

  // Some of the records that can be decoded, as copies: it is done without the subscription's lock.
  std::vector<RecordToDecode> TakeToDecode();
  // Null: it is gone.
  BufferedRecord* Find(std::uint64_t number) const;

  std::optional<SteadyTime> NextDue() const;

  // What a record waits for, for people.
  std::string WhyWaits(const BufferedRecord& record) const;

 private:
  struct Wait {
    PlaceList records;
    bool asked = false;
    SteadyTime ask_at{};  // else
    Duration pause{0};    // the last one, after failures in a row
    std::string why;
  };
  using Waits = std::map<SchemaId, Wait>;  // of nodes: records point to their lists

  void AskAt(SchemaId id, Wait& wait, SteadyTime when);
  void ForgetIfIdle(SchemaId id);

  Waits waits_;
  std::set<std::pair<SteadyTime, SchemaId>> due_;  // those that are not asked for
  PlaceList to_decode_;
  PlaceList being_decoded_;
  absl::flat_hash_map<std::uint64_t, BufferedRecord*> records_;  // all of them, by number
};

}  // namespace sidebus
