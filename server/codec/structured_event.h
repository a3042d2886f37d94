#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "server/event/event.h"

namespace sidebus {

// EVENT_INVALID: the record is no event, because its attribute or part `field` is wrong.
absl::Status NoEvent(std::string_view field, std::string_view what);

// Whether a content type says that the value is one event in the JSON event format.
bool IsStructuredContentType(std::string_view content_type);

// Fills `event` with the attributes and the data of an event in the CloudEvents JSON event format
// (structured mode). Its key and headers are left alone. EVENT_INVALID for what is no such JSON: a
// broken or over 128 deep document, a required attribute twice or not a string, data in two ways.
//
// JSON data comes out as JSON text without blanks, in the same order, with numbers in their
// shortest form; text under another content type as the text itself; data_base64 as its bytes.
absl::Status ReadStructuredEvent(std::string_view json, Event& event);

}  // namespace sidebus
