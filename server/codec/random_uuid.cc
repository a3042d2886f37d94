#include <array>
#include <cstdint>
#include <random>

#include "server/codec/cloudevents.h"
#include "server/codec/uuid.h"

namespace sidebus {
namespace {

// One generator per thread, seeded with 256 bits of the system's randomness: an id must not repeat
// in any process, but need not be hard to guess.
std::mt19937_64 MakeGenerator() {
  std::random_device device;
  std::array<std::random_device::result_type, 8> bits{};
  for (auto& word : bits) word = device();
  std::seed_seq seed(bits.begin(), bits.end());
  return std::mt19937_64(seed);
}

}  // namespace

std::string RandomUuid() {
  thread_local std::mt19937_64 generator = MakeGenerator();
  constexpr std::uint64_t kVersion4 = 0x4000;
  constexpr std::uint64_t kVariant = 0x8000'0000'0000'0000;
  const std::uint64_t high = (generator() & ~std::uint64_t{0xf000}) | kVersion4;
  const std::uint64_t low = (generator() >> 2) | kVariant;
  return FormatUuid(high, low);
}

}  // namespace sidebus
