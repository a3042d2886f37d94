#pragma once

#include <string>
#include <string_view>

namespace sidebus {

// Why a librdkafka property may not be set in `broker.kafka.properties`: it would run code, turn
// security off, or it is Sidebus's own to set. Empty: it may.
std::string WhyRefused(std::string_view property, std::string_view value);

// Whether the property's value must never be shown.
bool IsSecretProperty(std::string_view property);

}  // namespace sidebus
