#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

#include "fmt/format.h"

namespace sidebus::simulation {

// What a run has to say: the first thing that must not be, and, when it is asked for, what happened
// last before that.
class Report {
 public:
  explicit Report(bool traces = false) : traces_(traces) {}

  template <typename... Args>
  void Violation(fmt::format_string<Args...> text, Args&&... args) {
    if (violation_.empty()) violation_ = fmt::format(text, std::forward<Args>(args)...);
  }

  template <typename... Args>
  void Trace(fmt::format_string<Args...> text, Args&&... args) {
    if (!traces_ || failed()) return;
    lines_.push_back(fmt::format(text, std::forward<Args>(args)...));
    if (lines_.size() > kLines) lines_.pop_front();
  }

  bool failed() const { return !violation_.empty(); }
  const std::string& violation() const { return violation_; }
  const std::deque<std::string>& lines() const { return lines_; }

 private:
  static constexpr std::size_t kLines = 200;

  const bool traces_;
  std::string violation_;
  std::deque<std::string> lines_;
};

}  // namespace sidebus::simulation
