#include "server/app/doctor_finding.h"

#include "fmt/format.h"

namespace sidebus {

std::string CountOf(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace sidebus
