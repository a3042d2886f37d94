#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "server/broker/producer.h"
#include "server/publish/outcome.h"
#include "server/publish/plan.h"
#include "server/publish/schema_id.h"

namespace sidebus {

class Join;

// One event on one route: the record, owned from encoding to the delivery report, and its fate.
//
// A record that is framed Avro may lack the ids of its schemas for a while: it is encoded with
// other numbers in their place. Until the producer has it, that is the waiting room's business.
class Slot final : public PendingRecord {
 public:
  void OnReport(const DeliveryReport& report) override;

  // The record is complete, but for ids, and goes there.
  void SetLane(TopicLane& a_lane);

  // What the record takes from the memory budget.
  std::uint64_t Footprint() const;

  // Whether it must go through the waiting room, which puts them in.
  bool lacks_ids() const { return key_id != nullptr || value_id != nullptr; }

  // Of the ids that the record lacks: kFailed when one cannot be had, else kOpen when one is not
  // known yet, else kKnown, also when it lacks none.
  SchemaAnswer::State ids() const;

  // Why one cannot be had; ids() is kFailed.
  const absl::Status& ids_error() const;

  // Puts the ids into the record; ids() is kKnown.
  void PutIds();

  Join* join = nullptr;
  TopicLane* lane = nullptr;
  RouteOutcome outcome;
  std::size_t payload_bytes = 0;
  std::size_t record_bytes = 0;
  std::uint64_t taken_bytes = 0;  // from the budget, until the record is freed

  // The ids that the record lacks; null: none.
  std::shared_ptr<const SchemaAnswer> key_id;
  std::shared_ptr<const SchemaAnswer> value_id;
};

}  // namespace sidebus
