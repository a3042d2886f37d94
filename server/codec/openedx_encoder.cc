#include "server/codec/openedx_encoder.h"

#include <utility>

#include "fmt/format.h"
#include "server/avro/encode_avro.h"
#include "server/base/error.h"
#include "server/codec/cloudevents.h"
#include "server/codec/text.h"

namespace sidebus {
namespace {

// Whether an event's own key may be the record's.
absl::Status CheckOwnKey(std::string_view own, const AvroFieldPath* key) {
  if (key == nullptr) {
    return InvalidEventField(
        "key",
        "is set, but the route has no event_key_field, so that there is no schema "
        "for it; leave the key out");
  }
  if (key->kind() != AvroKind::kString) {
    return InvalidEventField(
        "key", fmt::format("is set, but event_key_field \"{}\" is a {}; leave the key "
                           "out, it is read from the data",
                           key->text(), key->type().Describe()));
  }
  if (!IsUtf8(own)) return InvalidEventField("key", "is not UTF-8");
  return absl::OkStatus();
}

}  // namespace

OpenedxEncoder::OpenedxEncoder(OpenedxDefaults defaults, std::size_t max_value_bytes,
                               const Clock& clock)
    : defaults_(std::move(defaults)),
      max_value_bytes_(max_value_bytes),
      clock_(clock),
      ids_(clock) {}

OpenedxEncoder::OpenedxEncoder(OpenedxDefaults defaults, std::size_t max_value_bytes,
                               const Clock& clock, std::uint64_t uuid_node,
                               std::uint16_t uuid_sequence)
    : defaults_(std::move(defaults)),
      max_value_bytes_(max_value_bytes),
      clock_(clock),
      ids_(clock, uuid_node, uuid_sequence) {}

void OpenedxEncoder::Complete(Event& event) {
  if (event.id.empty()) event.id = ids_.Make();
  if (event.source.empty()) event.source = defaults_.source;
  if (!event.time.has_value()) event.time = clock_.WallNow();
}

absl::StatusOr<Record> OpenedxEncoder::Encode(const Event& event,
                                              const OpenedxTarget& target) const {
  if (!event.data.has_value()) {
    return InvalidEventField("data", "is absent; Open edX has no events without data");
  }
  const bool own_key = event.key.has_value();
  if (own_key) {
    if (auto status = CheckOwnKey(*event.key, target.key); !status.ok()) return status;
  }
  auto headers = EncodeOpenedxHeaders(event, defaults_);
  if (!headers.ok()) return headers.status();

  AvroOutput out{.value = ConfluentPrefix(target.value_id), .key = ConfluentPrefix(target.key_id)};
  const auto status =
      EncodeAvro(*event.data, target.schema, own_key ? nullptr : target.key, max_value_bytes_, out);
  if (!status.ok()) return status;
  if (own_key) AppendAvroString(out.key, *event.key);

  Record record;
  record.value = std::move(out.value);
  if (target.key != nullptr) record.key = std::move(out.key);
  record.headers = *std::move(headers);
  return record;
}

}  // namespace sidebus
