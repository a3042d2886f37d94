#pragma once

#include <string>
#include <vector>

namespace sidebus::cli {

// Rows of text in columns, the first row being their names. Cells are printed as they are: those
// that come from elsewhere go through Printable() first.
std::string Table(const std::vector<std::vector<std::string>>& rows);

// "4.2s", "12m", "3h", "5d": the largest unit that says enough.
std::string ShortDuration(double seconds);

}  // namespace sidebus::cli
