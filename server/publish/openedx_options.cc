#include "server/publish/openedx_options.h"

namespace sidebus {

OpenedxSchemas::Schema OpenedxSchemas::Find(const std::string& event_type,
                                            const std::string& topic) const {
  const auto route = by_route.find(std::pair(event_type, topic));
  if (route != by_route.end()) return route->second;
  const auto type = by_type.find(event_type);
  return type == by_type.end() ? nullptr : type->second;
}

}  // namespace sidebus
