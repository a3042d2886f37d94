#include "server/broker/sparse_acks.h"

#include <algorithm>
#include <limits>

#include "absl/strings/escaping.h"

namespace sidebus {
namespace {

constexpr std::string_view kMarker = "sb1:";

constexpr std::size_t kTopicIdSize = 22;

// Some programs write base64 for URLs.
bool IsTopicId(std::string_view text) {
  return text.size() == kTopicIdSize && std::ranges::all_of(text, [](char letter) {
           return (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') ||
                  (letter >= 'a' && letter <= 'z') || letter == '+' || letter == '/' ||
                  letter == '-' || letter == '_';
         });
}

void AppendVarint(std::int64_t count, std::string& out) {
  auto rest = static_cast<std::uint64_t>(count);
  for (; rest >= 0x80; rest >>= 7) out.push_back(static_cast<char>(0x80 | (rest & 0x7f)));
  out.push_back(static_cast<char>(rest));
}

// Takes a varint off the front. nullopt: there is none, or it exceeds 63 bits.
std::optional<std::int64_t> TakeVarint(std::string_view& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (bytes.empty()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return static_cast<std::int64_t>(value);
  }
  return std::nullopt;
}

}  // namespace

std::string EncodeSparseAcks(std::int64_t floor, const std::vector<OffsetRun>& settled,
                             std::string_view topic_id, std::size_t* left_out) {
  const std::size_t id_size = topic_id.empty() ? 0 : topic_id.size() + 1;
  // Four characters of base64 hold three bytes.
  const std::size_t max_bytes = (kMaxAckMetadata - kMarker.size() - id_size) * 3 / 4;
  std::string bytes;
  std::int64_t at = floor;
  std::size_t written = 0;
  for (const OffsetRun& run : settled) {
    const std::size_t before = bytes.size();
    AppendVarint(run.first - at, bytes);
    AppendVarint(run.end - run.first, bytes);
    if (bytes.size() > max_bytes) {
      bytes.resize(before);
      break;
    }
    at = run.end;
    ++written;
  }
  if (left_out != nullptr) *left_out = settled.size() - written;
  if (bytes.empty() && topic_id.empty()) return "";
  std::string text = std::string(kMarker) + absl::Base64Escape(bytes);
  while (text.back() == '=') text.pop_back();
  if (!topic_id.empty()) text.append(":").append(topic_id);
  return text;
}

std::string TopicIdOf(std::string_view metadata) {
  if (!metadata.starts_with(kMarker)) return "";
  const std::size_t colon = metadata.find(':', kMarker.size());
  if (colon == std::string_view::npos) return "";
  metadata.remove_prefix(colon + 1);
  const std::string_view id = metadata.substr(0, metadata.find(':'));
  if (!IsTopicId(id)) return "";
  std::string text(id);
  std::ranges::replace(text, '-', '+');  // as Kafka's own programs write it
  std::ranges::replace(text, '_', '/');
  return text;
}

std::optional<std::vector<OffsetRun>> DecodeSparseAcks(std::int64_t floor,
                                                       std::string_view metadata) {
  std::vector<OffsetRun> runs;
  if (metadata.empty()) return runs;
  if (!metadata.starts_with(kMarker)) return std::nullopt;
  metadata.remove_prefix(kMarker.size());
  metadata = metadata.substr(0, metadata.find(':'));
  std::string bytes;
  if (!absl::Base64Unescape({metadata.data(), metadata.size()}, &bytes)) return std::nullopt;
  std::string_view rest = bytes;
  std::int64_t at = floor;
  while (!rest.empty()) {
    const std::optional<std::int64_t> unsettled = TakeVarint(rest);
    const std::optional<std::int64_t> settled = TakeVarint(rest);
    if (unsettled.value_or(0) == 0 || settled.value_or(0) == 0) return std::nullopt;
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (*unsettled > kMax - at || *settled > kMax - at - *unsettled) return std::nullopt;
    runs.push_back({at + *unsettled, at + *unsettled + *settled});
    at = runs.back().end;
  }
  return runs;
}

}  // namespace sidebus
