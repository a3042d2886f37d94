#pragma once

#include <simdjson.h>

#include <string>

namespace sidebus {

// JSON as Python's `json` module writes it. Text that is registered or compared must be the same
// to the byte.

// As json.dumps(value, sort_keys=True): members by name, `, ` and `: `, ASCII only, of members with
// the same name the last. Recurses as deep as `value` is nested.
void AppendPythonJson(std::string& out, simdjson::dom::element value);

// As repr(): the shortest digits that read back as the same number, always with a point or an
// exponent. `number` is finite.
void AppendPythonNumber(std::string& out, double number);

// The same for single precision, which Python does not have.
void AppendPythonNumber(std::string& out, float number);

// The member of a name; of several the last, as in Python. Its error is NO_SUCH_FIELD.
simdjson::simdjson_result<simdjson::dom::element> LastMember(simdjson::dom::object object,
                                                             std::string_view name);

}  // namespace sidebus
