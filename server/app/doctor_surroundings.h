#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/app/doctor_finding.h"
#include "server/config/config.h"
#include "server/config/load_config.h"
#include "server/registry/registry_facts.h"

namespace sidebus {

// What is thought of all that is not Kafka: functions of values.

// One row for the whole, and one per problem or warning.
std::vector<Finding> JudgeConfiguration(const ConfigReading& reading);

// `brokers`: as far as is known, 0 otherwise.
Finding JudgeOpenFiles(std::uint64_t limit, const LimitsConfig& limits, std::size_t brokers);

// nullopt: nothing limits this process.
Finding JudgeMemory(std::optional<std::uint64_t> limit, const LimitsConfig& limits);

Finding JudgeRegistry(const RegistryFacts& facts);

// `wanted`: the subjects of the events that are published, where they are known.
Finding JudgeSubjects(const RegistryFacts& facts, const std::vector<std::string>& wanted,
                      RegisterSchemas registering);

// This machine's clock, by that of the registry's server.
Finding JudgeClock(const RegistryFacts& facts);

}  // namespace sidebus
