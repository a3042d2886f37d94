#pragma once

#include <string>

namespace sidebus {

// Something that is wrong, or odd, in one place of one source.
struct ConfigProblem {
  std::string source;  // file, "environment NAME" or "flag --name"
  int line = 0;        // from 1; 0: the source has no lines
  int column = 0;      // from 1
  std::string path;    // of the key: "subscribe.max_window.events"; may be empty
  std::string what;    // what is wrong and how to fix it

  // "config.yaml:3:5: subscribe.lease: what"
  std::string ToString() const;

  friend bool operator==(const ConfigProblem&, const ConfigProblem&) = default;
};

}  // namespace sidebus
