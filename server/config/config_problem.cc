#include "server/config/config_problem.h"

#include <fmt/format.h>

namespace sidebus {

std::string ConfigProblem::ToString() const {
  std::string text = source;
  if (line > 0) text += fmt::format(":{}:{}", line, column);
  if (!text.empty()) text += ": ";
  if (!path.empty()) text += path + ": ";
  return text + what;
}

}  // namespace sidebus
