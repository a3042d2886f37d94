#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sidebus/v1/event.pb.h"

namespace sidebus::cli {

// "orders/3@42", as `publish`, `subscribe` and `explain` print it; with another `separator` than '@'
// "orders/3=42". nullopt for anything else.
std::optional<sidebus::v1::Position> ParsePosition(std::string_view text, char separator = '@');

std::string ToText(const sidebus::v1::Position& position);

// "orders/3"
std::string PartitionText(std::string_view topic, int partition);

}  // namespace sidebus::cli
