#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sidebus {

enum class Verdict : std::uint8_t { kOk, kWarning, kFailed, kSkipped };

// One row of `sidebus doctor`. Texts may hold what others wrote (brokers, files): they are escaped
// where they are printed.
struct Finding {
  std::string check;    // what was looked at, one of the words in deploy/doctor.md
  std::string subject;  // which one: a server, a topic, a group; may be empty
  Verdict verdict = Verdict::kOk;
  std::string found;
  std::string fix;  // what to do about it; empty: nothing

  friend bool operator==(const Finding&, const Finding&) = default;
};

// "1 topic", "2 topics".
std::string CountOf(std::size_t count, std::string_view noun);

}  // namespace sidebus
