#include "server/rpc/deliveries_encoder.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstring>
#include <string_view>

#include "server/base/check.h"
#include "server/rpc/rpc_status.h"
#include "sidebus/v1/event_bus.pb.h"

namespace sidebus {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;
using Proto = sidebus::v1::Event;
using ProtoDelivery = sidebus::v1::Delivery;

std::size_t VarintSize(std::uint64_t value) { return CodedOutputStream::VarintSize64(value); }

// All field numbers here are below 16: a tag is one byte.
std::size_t BytesFieldSize(std::size_t size) { return 1 + VarintSize(size) + size; }
std::size_t TextFieldSize(std::string_view text) {
  return text.empty() ? 0 : BytesFieldSize(text.size());
}
std::size_t NumberFieldSize(std::uint64_t value) { return value == 0 ? 0 : 1 + VarintSize(value); }

struct Seconds {
  explicit Seconds(EventTime time)
      : seconds(static_cast<std::uint64_t>(time.seconds)),
        nanos(static_cast<std::uint64_t>(time.nanos)) {}
  std::size_t size() const { return NumberFieldSize(seconds) + NumberFieldSize(nanos); }

  std::uint64_t seconds;
  std::uint64_t nanos;
};

std::size_t HeaderSize(const Header& header) {
  return TextFieldSize(header.name) +
         (header.value.has_value() ? BytesFieldSize(header.value->size()) : 0);
}

// A map entry always has both of its fields.
std::size_t ExtensionSize(std::string_view name, std::string_view value) {
  return BytesFieldSize(name.size()) + BytesFieldSize(value.size());
}

std::size_t EventSize(const Event& event) {
  std::size_t size = TextFieldSize(event.id) + TextFieldSize(event.type) +
                     TextFieldSize(event.source) + TextFieldSize(event.subject) +
                     TextFieldSize(event.content_type) + TextFieldSize(event.data_schema) +
                     TextFieldSize(event.schema);
  if (event.time.has_value()) size += BytesFieldSize(Seconds(*event.time).size());
  if (event.key.has_value()) size += BytesFieldSize(event.key->size());
  if (event.data.has_value()) size += BytesFieldSize(event.data->size());
  for (const auto& [name, value] : event.extensions) {
    size += BytesFieldSize(ExtensionSize(name, value));
  }
  for (const Header& header : event.headers) size += BytesFieldSize(HeaderSize(header));
  return size;
}

// int32 and int64 are written as the 64 bits of their sign extension.
std::uint64_t Signed(std::int64_t value) { return static_cast<std::uint64_t>(value); }

std::size_t PositionSize(const Delivery& delivery) {
  return TextFieldSize(*delivery.topic) + NumberFieldSize(Signed(delivery.partition)) +
         NumberFieldSize(Signed(delivery.offset));
}

struct Sizes {
  std::size_t event = 0;
  std::size_t delivery = 0;
};

Sizes SizesOf(const Delivery& delivery) {
  Sizes sizes;
  sizes.event = EventSize(*delivery.event);
  sizes.delivery = NumberFieldSize(delivery.id) + NumberFieldSize(delivery.attempt) +
                   BytesFieldSize(sizes.event) + BytesFieldSize(PositionSize(delivery)) +
                   BytesFieldSize(Seconds(delivery.broker_time).size()) +
                   NumberFieldSize(delivery.interruptions);
  return sizes;
}

// Writes fields into memory that is known to be large enough.
class Writer {
 public:
  explicit Writer(std::uint8_t* at) : at_(at) {}

  const std::uint8_t* at() const { return at_; }

  // The tag and the length of what is written next.
  void Begin(int field, std::size_t size) {
    Tag(field, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    at_ = CodedOutputStream::WriteVarint64ToArray(size, at_);
  }
  void Bytes(int field, std::string_view bytes) {
    Begin(field, bytes.size());
    std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void Text(int field, std::string_view text) {
    if (!text.empty()) Bytes(field, text);
  }
  void Number(int field, std::uint64_t value) {
    if (value == 0) return;
    Tag(field, WireFormatLite::WIRETYPE_VARINT);
    at_ = CodedOutputStream::WriteVarint64ToArray(value, at_);
  }
  void Time(int field, EventTime time) {
    const Seconds parts(time);
    Begin(field, parts.size());
    Number(google::protobuf::Timestamp::kSecondsFieldNumber, parts.seconds);
    Number(google::protobuf::Timestamp::kNanosFieldNumber, parts.nanos);
  }

 private:
  void Tag(int field, WireFormatLite::WireType type) {
    at_ = CodedOutputStream::WriteTagToArray(WireFormatLite::MakeTag(field, type), at_);
  }

  std::uint8_t* at_;
};

void WriteEvent(const Event& event, Writer& out) {
  out.Text(Proto::kIdFieldNumber, event.id);
  out.Text(Proto::kTypeFieldNumber, event.type);
  out.Text(Proto::kSourceFieldNumber, event.source);
  out.Text(Proto::kSubjectFieldNumber, event.subject);
  if (event.time.has_value()) out.Time(Proto::kTimeFieldNumber, *event.time);
  if (event.key.has_value()) out.Bytes(Proto::kKeyFieldNumber, *event.key);
  out.Text(Proto::kContentTypeFieldNumber, event.content_type);
  if (event.data.has_value()) out.Bytes(Proto::kDataFieldNumber, *event.data);
  out.Text(Proto::kDataSchemaFieldNumber, event.data_schema);
  for (const auto& [name, value] : event.extensions) {
    out.Begin(Proto::kExtensionsFieldNumber, ExtensionSize(name, value));
    out.Bytes(1, name);
    out.Bytes(2, value);
  }
  for (const Header& header : event.headers) {
    out.Begin(Proto::kHeadersFieldNumber, HeaderSize(header));
    out.Text(sidebus::v1::Header::kNameFieldNumber, header.name);
    if (header.value.has_value()) out.Bytes(sidebus::v1::Header::kValueFieldNumber, *header.value);
  }
  out.Text(Proto::kSchemaFieldNumber, event.schema);
}

void WriteDelivery(const Delivery& delivery, const Sizes& sizes, Writer& out) {
  out.Number(ProtoDelivery::kDeliveryIdFieldNumber, delivery.id);
  out.Number(ProtoDelivery::kAttemptFieldNumber, delivery.attempt);
  out.Begin(ProtoDelivery::kEventFieldNumber, sizes.event);
  WriteEvent(*delivery.event, out);
  out.Begin(ProtoDelivery::kPositionFieldNumber, PositionSize(delivery));
  out.Text(sidebus::v1::Position::kTopicFieldNumber, *delivery.topic);
  out.Number(sidebus::v1::Position::kPartitionFieldNumber, Signed(delivery.partition));
  out.Number(sidebus::v1::Position::kOffsetFieldNumber, Signed(delivery.offset));
  out.Time(ProtoDelivery::kBrokerTimeFieldNumber, delivery.broker_time);
  out.Number(ProtoDelivery::kInterruptionsFieldNumber, delivery.interruptions);
}

}  // namespace

grpc::ByteBuffer EncodeDeliveries(const std::vector<Delivery>& deliveries) {
  std::vector<Sizes> sizes;
  sizes.reserve(deliveries.size());
  std::size_t total = 0;
  for (const Delivery& delivery : deliveries) {
    total += BytesFieldSize(sizes.emplace_back(SizesOf(delivery)).delivery);
  }
  grpc::Slice slice(BytesFieldSize(total));
  Writer out(const_cast<std::uint8_t*>(slice.begin()));
  out.Begin(sidebus::v1::SubscribeResponse::kDeliveriesFieldNumber, total);
  for (std::size_t i = 0; i < deliveries.size(); ++i) {
    out.Begin(sidebus::v1::Deliveries::kItemsFieldNumber, sizes[i].delivery);
    WriteDelivery(deliveries[i], sizes[i], out);
  }
  SIDEBUS_CHECK(out.at() == slice.end());
  return {&slice, 1};
}

}  // namespace sidebus
