#pragma once

#include <string_view>

namespace sidebus {

// The files of server/admin/page, which the build puts into the binary.
extern const std::string_view kStatusHtml;
extern const std::string_view kStatusCss;
extern const std::string_view kStatusJs;

}  // namespace sidebus
