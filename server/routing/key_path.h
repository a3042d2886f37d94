#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sidebus {

// The place of the record key in JSON data, for example `order.customer.id`.
//
// A value. Thread safety: const methods may be called from any thread.
class KeyPath {
 public:
  // Each part between dots is the name of an object member, also an empty one, as for Open edX.
  explicit KeyPath(std::string_view dotted);

  const std::string& text() const { return text_; }

  // The key in `json`: a string as UTF-8, an integer of any size in decimal, true or false.
  // KEY_FIELD_MISSING: no such field, or null, a fraction, an object or an array there.
  // EVENT_INVALID with field `data`: not JSON, nested over 128 deep, or a member on the path that
  // comes twice. Both messages name the path.
  // Cost: reads all of `json`, so that what is broken after the key is refused too; one copy of it.
  // Twice that where a number does not fit 64 bits.
  absl::StatusOr<std::string> Extract(std::string_view json) const;

 private:
  std::string text_;
  std::vector<std::string> parts_;
};

}  // namespace sidebus
