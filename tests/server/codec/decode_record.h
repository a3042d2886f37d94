#pragma once

#include <gtest/gtest.h>

#include "server/codec/cloudevents.h"

namespace sidebus {

// Decodes as from a broker. Whatever becomes of it, the record can be had back as it was.
inline absl::StatusOr<Event> DecodeRecord(const Record& record, const Position& position) {
  RawRecord raw = RawRecordOf(record);
  auto event = DecodeCloudEvent(raw, position);
  EXPECT_EQ(RestoreRecord(raw, event.ok() ? &*event : nullptr), record);
  return event;
}

}  // namespace sidebus
