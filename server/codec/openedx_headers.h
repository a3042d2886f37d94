#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/event/event.h"
#include "server/event/raw_headers.h"

namespace sidebus {

// The headers of Open edX events in Kafka. Ten, in this order, UTF-8:
//
//   ce_specversion      1.0
//   content-type        application/avro
//   ce_datacontenttype  application/avro
//   ce_type             Event.type
//   ce_id               Event.id, a UUID, lower case with hyphens
//   ce_source           Event.source
//   ce_time             Event.time, 2026-01-02T03:04:05.678901+00:00, cut to microseconds
//   ce_minorversion     extension `minorversion`, an integer
//   sourcehost          header of this name
//   sourcelib           header of this name, integers and dots: 11.2.0
//
// What else the event has follows: ce_subject, ce_dataschema, other extensions as ce_<name> sorted
// by name, traceparent and tracestate, other headers in their order. Event.content_type does not
// travel: it says of what kind the data is before it is encoded.

// What an event gets that does not bring it.
struct OpenedxDefaults {
  std::string source;      // OpenedxSource(service)
  std::string sourcehost;  // this host's name
  std::string sourcelib;   // 11.2.0
};

// openedx/<service>/web. Without a service its name is SERVICE_NAME_UNSET, as in Open edX.
std::string OpenedxSource(std::string_view service);

// The headers of a valid event that has id and time; the minor version is 0 where there is none.
// EVENT_INVALID, with `field`, for what the consumers of Open edX drop: an id that is no UUID (id),
// a minor version that is no integer of 64 bits (extensions), a sourcelib that is not integers and
// dots, a sourcehost that is not UTF-8, one of the two without a value or twice (headers).
absl::StatusOr<std::vector<Header>> EncodeOpenedxHeaders(const Event& event,
                                                         const OpenedxDefaults& defaults);

// An event without key and data from the headers of a record; content_type is application/json. As
// lenient as Open edX is: all but type and id may be missing, and then stay so, because the
// defaults are those of whoever consumes. Other headers are kept as extensions (ce_<name>) or
// headers, but for ce_specversion, content-type and ce_datacontenttype, which are not looked at.
// EVENT_INVALID with `field`: no ce_type or ce_id, or one of the last seven above twice, without a
// value, not UTF-8, or not of the form that Python reads (python_values.h).
absl::StatusOr<Event> DecodeOpenedxHeaders(const RawHeaders& headers);

}  // namespace sidebus
