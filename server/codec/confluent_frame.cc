#include "server/codec/confluent_frame.h"

namespace sidebus {
namespace {

constexpr char kMagic = 0;

}  // namespace

std::string ConfluentPrefix(SchemaId id) {
  std::string prefix(1, kMagic);
  for (int shift = 24; shift >= 0; shift -= 8) {
    prefix += static_cast<char>(id.value() >> shift & 0xff);
  }
  return prefix;
}

void SetConfluentId(std::string& framed, SchemaId id) {
  framed.replace(0, kConfluentPrefixBytes, ConfluentPrefix(id));
}

std::optional<ConfluentFrame> ReadConfluentFrame(std::string_view bytes) {
  if (bytes.size() <= kConfluentPrefixBytes || bytes.front() != kMagic) return std::nullopt;
  std::uint32_t id = 0;
  for (const char c : bytes.substr(1, kConfluentPrefixBytes - 1)) {
    id = id << 8 | static_cast<unsigned char>(c);
  }
  return ConfluentFrame{SchemaId(id), bytes.substr(kConfluentPrefixBytes)};
}

}  // namespace sidebus
