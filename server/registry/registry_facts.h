#pragma once

#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "server/base/clock.h"

namespace sidebus {

// What a registry answered to the question for the names of its subjects.
struct RegistryFacts {
  bool answered = false;  // with anything that is HTTP
  // Why not, as a text for people: no answer, one that refuses, one that is no list of names.
  absl::StatusOr<std::set<std::string>> subjects;
  Duration took{};
  // What the server took the time to be, in whole seconds, and what it was here when that came.
  std::optional<SystemTime> its_time;
  SystemTime our_time{};
};

}  // namespace sidebus
