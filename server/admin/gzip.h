#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sidebus {

// Whether a client that sends this header `Accept-Encoding` takes gzip: it names it, and not with
// `q=0`. An asterisk alone is no: whoever means gzip says so.
bool AcceptsGzip(std::string_view accept_encoding);

// `text` in the format gzip, packed fast rather than well. nullopt: it cannot be packed, and is sent
// as it is.
std::optional<std::string> Gzip(std::string_view text);

}  // namespace sidebus
