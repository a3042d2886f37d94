#include "server/app/doctor_report.h"

#include <nlohmann/json.hpp>

#include "fmt/format.h"
#include "server/base/json_text.h"

namespace sidebus {
namespace {

using Report = nlohmann::ordered_json;

constexpr std::array kVerdicts = {Verdict::kOk, Verdict::kWarning, Verdict::kFailed,
                                  Verdict::kSkipped};
constexpr std::array kColours = {"32", "33", "31", "2"};  // green, yellow, red, faint

// One line, that no terminal obeys; quotes are no trouble here.
std::string Escaped(std::string_view text) {
  std::string escaped;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t quote = std::min(text.find_first_of("\"\\", at), text.size());
    AppendJsonEscaped(escaped, text.substr(at, quote - at));
    if (quote < text.size()) escaped += text[quote];
    at = quote + 1;
  }
  return escaped;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  constexpr std::array<std::string_view, 4> kNames = {"ok", "warning", "failed", "skipped"};
  return kNames.at(static_cast<std::size_t>(verdict));
}

std::array<std::size_t, 4> CountVerdicts(const std::vector<Finding>& findings) {
  std::array<std::size_t, 4> counts{};
  for (const Finding& finding : findings) ++counts.at(static_cast<std::size_t>(finding.verdict));
  return counts;
}

std::string FindingAsText(const Finding& finding, bool colour) {
  std::string verdict = fmt::format("{:<8}", VerdictName(finding.verdict));
  if (colour) {
    verdict = fmt::format("\x1b[{}m{}\x1b[0m",
                          kColours.at(static_cast<std::size_t>(finding.verdict)), verdict);
  }
  const std::string what =
      Escaped(finding.subject.empty() ? finding.check
                                      : fmt::format("{} {}", finding.check, finding.subject));
  std::string text = fmt::format("{} {:<32} {}\n", verdict, what, Escaped(finding.found));
  if (!finding.fix.empty()) text += fmt::format("         -> {}\n", Escaped(finding.fix));
  return text;
}

std::string SummaryAsText(const std::vector<Finding>& findings) {
  const auto counts = CountVerdicts(findings);
  return fmt::format("{}: {} ok, {}, {} failed, {} skipped\n", CountOf(findings.size(), "check"),
                     counts[0], CountOf(counts[1], "warning"), counts[2], counts[3]);
}

std::string FindingsAsJson(const std::vector<Finding>& findings) {
  const auto counts = CountVerdicts(findings);
  Report report;
  report["ok"] = counts[static_cast<std::size_t>(Verdict::kFailed)] == 0;
  for (const Verdict verdict : kVerdicts) {
    report["counts"][std::string(VerdictName(verdict))] =
        counts.at(static_cast<std::size_t>(verdict));
  }
  report["checks"] = Report::array();
  for (const Finding& finding : findings) {
    report["checks"].push_back({{"check", finding.check},
                                {"subject", finding.subject},
                                {"result", VerdictName(finding.verdict)},
                                {"found", finding.found},
                                {"fix", finding.fix}});
  }
  return report.dump(2, ' ', false, Report::error_handler_t::replace) + "\n";
}

}  // namespace sidebus
