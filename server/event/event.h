#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/base/clock.h"

namespace sidebus {

// A record header: not empty name, value possibly absent (Kafka's null).
struct Header {
  std::string name;
  std::optional<std::string> value;

  friend bool operator==(const Header&, const Header&) = default;
};

// A wall time to the nanosecond. Unlike SystemTime, which ends in the year 2262, it holds every
// year that an event may have.
struct EventTime {
  EventTime() = default;
  EventTime(std::int64_t s, std::int32_t n) : seconds(s), nanos(n) {}
  EventTime(SystemTime time);  // NOLINT(google-explicit-constructor): nothing is lost

  std::int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
  std::int32_t nanos = 0;    // 0 to 999,999,999, forward also before 1970

  friend auto operator<=>(const EventTime&, const EventTime&) = default;
};

// A CloudEvents event with what Kafka adds to it; the value behind sidebus.v1.Event.
struct Event {
  std::string id;
  std::string type;
  std::string source;
  std::string subject;
  std::optional<EventTime> time;
  std::optional<std::string> key;  // absent: no key; empty: the empty key
  std::string content_type;
  std::optional<std::string> data;  // absent: tombstone
  std::string data_schema;
  std::map<std::string, std::string, std::less<>> extensions;
  std::vector<Header> headers;
  std::string schema;

  friend bool operator==(const Event&, const Event&) = default;
};

// What a record is made of, in Kafka's terms.
struct Record {
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<Header> headers;

  friend bool operator==(const Record&, const Record&) = default;
};

// Where a record stands. `topic` is without the prefix above the broker floor's backends.
struct Position {
  std::string topic;
  std::int32_t partition = -1;
  std::int64_t offset = -1;

  friend bool operator==(const Position&, const Position&) = default;
};

// Bytes that count against max_event_bytes: data, key, names and values of headers and extensions.
std::size_t SizeOf(const Event& event);

// Bytes of key, value, header names and values.
std::size_t SizeOf(const Record& record);

}  // namespace sidebus
