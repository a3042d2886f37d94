#pragma once

#include <gtest/gtest.h>

#include "absl/status/statusor.h"
#include "server/codec/cloudevents.h"

namespace sidebus {

// Decodes as from a broker. Whatever becomes of it, the record can be had back as it was.
inline absl::StatusOr<Event> DecodeRecord(const Record& record, const Position& position) {
  RawRecord raw = RawRecordOf(record);
  Event event;
  const absl::Status status = DecodeCloudEvent(raw, position, event);
  EXPECT_EQ(RestoreRecord(raw, status.ok() ? &event : nullptr), record);
  if (!status.ok()) return status;
  return event;
}

}  // namespace sidebus
