#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "server/codec/cloudevents.h"
#include "tests/server/codec/decode_record.h"

namespace sidebus {
namespace {

using ::testing::Eq;

// Makes valid events of every shape.
class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  Event MakeEvent() {
    Event event;
    event.id = Text(1, 40);
    event.type = Text(1, 60);
    event.source = Text(1, 30);
    event.time = EventTime(Number(0, 253'402'300'799), Nanos());
    if (Chance()) event.subject = Text(1, 30);
    if (Chance()) event.key = Bytes(20);
    if (Chance()) event.content_type = "application/x-" + Name();
    if (Chance()) event.data = Bytes(200);
    if (Chance()) event.data_schema = Text(1, 30);
    for (std::int64_t i = Number(0, 5); i > 0; --i) event.extensions["x" + Name()] = Text(0, 20);
    for (std::int64_t i = Number(0, 2); i > 0; --i)
      event.headers.push_back({"traceparent", Text(0, 9)});
    for (std::int64_t i = Number(0, 2); i > 0; --i)
      event.headers.push_back({"tracestate", Text(0, 9)});
    for (std::int64_t i = Number(0, 6); i > 0; --i) {
      event.headers.push_back({"h" + Name(), Chance() ? std::optional(Bytes(20)) : std::nullopt});
    }
    return event;
  }

 private:
  std::int64_t Number(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  bool Chance() { return Number(0, 1) == 1; }
  std::int32_t Nanos() {
    const std::int64_t unit = std::vector<std::int64_t>{
        1, 1'000, 1'000'000, 1'000'000'000}[static_cast<std::size_t>(Number(0, 3))];
    return static_cast<std::int32_t>(Number(0, 999'999'999) / unit * unit);
  }
  std::string Bytes(std::int64_t most) {
    std::string bytes(static_cast<std::size_t>(Number(0, most)), '\0');
    for (char& c : bytes) c = static_cast<char>(Number(0, 255));
    return bytes;
  }
  std::string Text(std::int64_t least, std::int64_t most) {
    static const std::vector<std::string> kCharacters = {
        "a", "Z", "/", " ", "\"", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    std::string text;
    for (std::int64_t i = Number(least, most); i > 0; --i) {
      text += kCharacters[static_cast<std::size_t>(Number(0, 7))];
    }
    return text;
  }
  std::string Name() {
    std::string name;
    for (std::int64_t i = Number(0, 5); i > 0; --i) name += static_cast<char>(Number('a', 'z'));
    return name;
  }

  std::mt19937_64 random_;
};

TEST(RoundTripTest, EveryValidEventComesBackAsItWas) {
  const std::uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Generator generator(seed);

  for (int i = 0; i < 2000; ++i) {
    const Event event = generator.MakeEvent();
    ASSERT_TRUE(ValidateEvent(event).ok()) << ValidateEvent(event);

    const auto back = DecodeRecord(EncodeCloudEvent(Event(event), event.key), Position{"t", 0, 0});

    ASSERT_TRUE(back.ok()) << back.status();
    ASSERT_THAT(*back, Eq(event));
  }
}

}  // namespace
}  // namespace sidebus
