#include "server/app/doctor_surroundings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "server/base/error.h"
#include "server/config/units.h"

namespace sidebus {
namespace {

using std::chrono::seconds;

// What a gateway takes beside limits.memory: its code, its threads, its libraries.
constexpr std::uint64_t kBeside = 64 * kMiB;

// Sockets of a client of Kafka: one per broker, some while connections are made anew.
constexpr std::uint64_t kSpareFiles = 64;
constexpr std::uint64_t kFilesPerClient = 4;

// Dates of HTTP are whole seconds, and the answer takes its time.
constexpr seconds kClockWarning{5};
// What brokers take by default in a record's timestamp (message.timestamp.after.max.ms).
constexpr seconds kClockFailure{3600};

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

}  // namespace

std::vector<Finding> JudgeConfiguration(const ConfigReading& reading) {
  std::vector<Finding> rows;
  const auto add = [&rows](const std::vector<ConfigProblem>& problems, Verdict verdict) {
    for (const ConfigProblem& problem : problems) {
      ConfigProblem without_path = problem;
      without_path.path.clear();
      rows.push_back({"configuration", problem.path, verdict, without_path.ToString(), ""});
    }
  };
  add(reading.problems, Verdict::kFailed);
  add(reading.warnings, Verdict::kWarning);
  if (!reading.loaded.has_value()) return rows;
  const Config& config = reading.loaded->config;
  std::size_t routes = 0;
  for (const EventTypeConfig& type : config.producer_config) routes += type.routes.size();
  rows.insert(
      rows.begin(),
      {"configuration", "", Verdict::kOk,
       fmt::format("{}: {}, {}", reading.loaded->file.empty() ? "no file" : reading.loaded->file,
                   CountOf(config.producer_config.size(), "event type"), CountOf(routes, "route")),
       ""});
  return rows;
}

Finding JudgeOpenFiles(std::uint64_t limit, const LimitsConfig& limits, std::size_t brokers) {
  const std::uint64_t clients = limits.max_subscriptions + std::uint64_t{2};
  const std::uint64_t needed =
      limits.max_connections + clients * (brokers + kFilesPerClient) + kSpareFiles;
  Finding row{"open_files", "", Verdict::kOk,
              fmt::format("this process may open {}, a full gateway needs about {}", limit, needed),
              ""};
  if (limit < needed) {
    row.verdict = Verdict::kWarning;
    row.fix =
        "raise it (ulimit -n, LimitNOFILE of the unit), or lower limits.max_connections and "
        "limits.max_subscriptions";
  }
  return row;
}

Finding JudgeMemory(std::optional<std::uint64_t> limit, const LimitsConfig& limits) {
  Finding row{"memory", "", Verdict::kOk, "", ""};
  const std::string wanted = fmt::format("limits.memory is {}", FormatSize(limits.memory));
  if (!limit.has_value()) {
    row.found = fmt::format("{}, and nothing limits this process", wanted);
    return row;
  }
  row.found = fmt::format("{}, and this process may use {}", wanted, FormatSize(*limit));
  if (*limit >= limits.memory + kBeside) return row;
  row.verdict = *limit < limits.memory ? Verdict::kFailed : Verdict::kWarning;
  row.fix = fmt::format(
      "raise the limit of the container to {}, or lower limits.memory: the kernel kills what is "
      "over it",
      FormatSize(limits.memory + kBeside));
  return row;
}

Finding JudgeRegistry(const RegistryFacts& facts) {
  if (facts.subjects.ok()) {
    return {"registry", "", Verdict::kOk,
            fmt::format("answers in {} ms, and has {}",
                        std::chrono::ceil<std::chrono::milliseconds>(facts.took).count(),
                        CountOf(facts.subjects->size(), "subject")),
            ""};
  }
  return {"registry", "", Verdict::kFailed, TextOf(facts.subjects.status()),
          facts.answered
              ? "check schema_registry.url, username_file and password_file; with Apicurio the URL "
                "ends with /apis/ccompat/v7"
              : "check schema_registry.url and ca_file, and that the registry is up"};
}

Finding JudgeSubjects(const RegistryFacts& facts, const std::vector<std::string>& wanted,
                      RegisterSchemas registering) {
  Finding row{"subjects", "", Verdict::kSkipped, "", ""};
  if (!facts.subjects.ok()) {
    row.found = "the registry did not tell them";
    return row;
  }
  if (wanted.empty()) {
    row.found = "nothing is published with schemas";
    return row;
  }
  std::vector<std::string> missing;
  std::ranges::copy_if(wanted, std::back_inserter(missing), [&](const std::string& subject) {
    return !facts.subjects->contains(subject);
  });
  row.verdict = Verdict::kOk;
  row.found = fmt::format("{} of {} are there", wanted.size() - missing.size(), wanted.size());
  if (missing.empty()) return row;
  row.found +=
      fmt::format("; missing: {}{}", missing.front(),
                  missing.size() > 1 ? fmt::format(" and {} more", missing.size() - 1) : "");
  if (registering == RegisterSchemas::kNever) {
    row.verdict = Verdict::kWarning;
    row.fix =
        "schema_registry.register is never: until somebody registers them, their events are "
        "refused";
  }
  return row;
}

Finding JudgeClock(const RegistryFacts& facts) {
  Finding row{"clock", "", Verdict::kSkipped, "", ""};
  if (!facts.its_time.has_value()) {
    row.found = "there is no clock to compare with: the registry sent no date";
    return row;
  }
  const auto apart = std::chrono::duration_cast<seconds>(facts.our_time - *facts.its_time);
  const seconds size(std::abs(apart.count()));
  row.verdict = size >= kClockFailure  ? Verdict::kFailed
                : size > kClockWarning ? Verdict::kWarning
                                       : Verdict::kOk;
  row.found = size <= kClockWarning ? "within some seconds of the registry's"
                                    : fmt::format("{} s {} the registry's", size.count(),
                                                  apart.count() > 0 ? "ahead of" : "behind");
  if (row.verdict != Verdict::kOk) {
    row.fix =
        "set the clock of this machine (or of the other): events are stamped by it, and "
        "certificates judged";
  }
  return row;
}

}  // namespace sidebus
