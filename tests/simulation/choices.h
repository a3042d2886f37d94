#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace sidebus::simulation {

// Every choice of a run, from its seed alone. By hand: std::uniform_*_distribution differs between
// standard libraries, and a seed must replay everywhere.
class Choices {
 public:
  explicit Choices(std::uint64_t seed) : random_(seed) {}

  std::uint64_t Below(std::uint64_t n) { return random_() % n; }
  std::uint64_t Between(std::uint64_t least, std::uint64_t most) {
    return least + Below(most - least + 1);
  }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }

  template <typename T>
  auto& Of(T& items) {
    return items[static_cast<std::size_t>(Below(items.size()))];
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace sidebus::simulation
