#include "server/config/config.h"

#include <algorithm>

namespace sidebus {

bool Config::has_openedx() const {
  if (encoding == RecordEncoding::kOpenedx) return true;
  return std::ranges::any_of(producer_config, [](const EventTypeConfig& type) {
    return std::ranges::any_of(type.routes, [](const RouteConfig& route) {
      return route.encoding == RecordEncoding::kOpenedx;
    });
  });
}

}  // namespace sidebus
