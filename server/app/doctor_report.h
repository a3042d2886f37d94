#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "server/app/doctor_finding.h"

namespace sidebus {

// How findings are shown.

std::string_view VerdictName(Verdict verdict);

// How many there are of each, indexed by Verdict.
std::array<std::size_t, 4> CountVerdicts(const std::vector<Finding>& findings);

// One row for people, with its line's end; what to do about it is on a line of its own. Control
// characters are escaped.
std::string FindingAsText(const Finding& finding, bool colour);

// The last line.
std::string SummaryAsText(const std::vector<Finding>& findings);

// {"ok": true, "counts": {"ok": 9, ...}, "checks": [{"check", "subject", "result", "found", "fix"}]}
std::string FindingsAsJson(const std::vector<Finding>& findings);

}  // namespace sidebus
