#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace sidebus {

// A number that cannot be mistaken for another one. `Tag` is any type, used only as a name:
//   using Offset = StrongId<struct OffsetTag, std::int64_t>;
template <typename Tag, typename Number>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(Number value) : value_(value) {}

  constexpr Number value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Number value_{};
};

}  // namespace sidebus

template <typename Tag, typename Number>
struct std::hash<sidebus::StrongId<Tag, Number>> {
  std::size_t operator()(sidebus::StrongId<Tag, Number> id) const {
    return std::hash<Number>()(id.value());
  }
};
