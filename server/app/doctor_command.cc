#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "server/app/commands.h"
#include "server/app/config_command.h"
#include "server/app/doctor.h"
#include "server/app/doctor_report.h"
#include "server/app/doctor_surroundings.h"
#include "server/app/outside_check.h"
#include "server/app/schema_check.h"
#include "server/base/log.h"
#include "server/broker/kafka/kafka_options.h"
#include "server/config/load_config.h"
#include "server/config/units.h"
#include "server/event/topic_name.h"

namespace sidebus {
namespace {

struct DoctorOrder {
  ConfigSources sources;
  std::vector<std::string> groups;
  std::string timeout = "10s";
  std::string output = "text";
};

void WriteOut(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int RunDoctor(const DoctorOrder& order) {
  std::signal(SIGPIPE, SIG_IGN);  // of brokers and registries that hang up
  ConfigureLog(LogLevel::kError, LogFormat::kText);
  const bool json = order.output == "json";
  const bool colour = isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  std::vector<Finding> findings;
  const auto tell = [&](const Finding& finding) {
    findings.push_back(finding);
    if (!json) WriteOut(FindingAsText(finding, colour));
  };

  ConfigReading reading = ReadConfig(order.sources);
  CheckOutsideOptions(reading);
  CheckSchemaFiles(reading);
  for (const Finding& finding : JudgeConfiguration(reading)) tell(finding);
  std::unique_ptr<Doctor> doctor;
  if (reading.loaded.has_value()) {
    doctor = std::make_unique<Doctor>(reading.loaded->config, order.groups,
                                      ParseDuration(order.timeout).value(), tell);
    doctor->Examine();
  }

  WriteOut(json ? FindingsAsJson(findings) : SummaryAsText(findings));
  const bool failed = CountVerdicts(findings)[static_cast<std::size_t>(Verdict::kFailed)] > 0;
  std::_Exit(failed ? 1 : 0);  // a resolver may hang, on a thread that nobody waits for
}

std::string TimeoutProblem(const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration.ok()) return std::string(duration.status().message());
  return *duration < std::chrono::milliseconds(100) || *duration > std::chrono::hours(1)
             ? "from 100ms to 1h"
             : "";
}

std::string GroupProblem(const std::string& text) {
  return text.empty() || text.size() > kMaxGroupLength ? "a group's name has 1 to 255 bytes" : "";
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Environment environment, int& exit_code) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "Check what a gateway needs: names, connections, topics, permissions, registry");
  auto order = std::make_shared<DoctorOrder>();
  order->sources.environment = std::move(environment);
  order->sources.is_kafka_property = IsKnownProperty;
  AddConfigFlags(*doctor, order->sources);
  doctor
      ->add_option("--group", order->groups,
                   "Consumer group to check, with its dead letters; may be repeated")
      ->type_name("GROUP")
      ->allow_extra_args(false)
      ->check(GroupProblem);
  doctor->add_option("--timeout", order->timeout, "Time for all of it (default: 10s)")
      ->type_name("DURATION")
      ->check(TimeoutProblem);
  doctor->add_option("--output", order->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  doctor->footer(
      "Examples:\n"
      "  sidebus doctor --config /etc/sidebus/config.yaml --group billing\n"
      "  sidebus doctor --bootstrap-servers broker-1:9092 --producer-config producer.yaml --output "
      "json\n"
      "\n"
      "Needs no gateway, and changes nothing. Run it where the gateway runs: what it checks is the "
      "way\n"
      "from here. Exits 0 when all is well or only warned of, 1 when something failed, 2 for wrong "
      "usage.");
  doctor->callback([order, &exit_code] { exit_code = RunDoctor(*order); });
}

}  // namespace sidebus
