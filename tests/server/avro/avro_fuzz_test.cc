#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "tests/server/avro/avro_schemas.h"
#include "tests/server/avro/openedx_vectors.h"

namespace sidebus {
namespace {

constexpr std::size_t kMaxJson = 64 * 1024;
constexpr std::size_t kMaxAvro = 64 * 1024;

// What a text can grow by after the last look at its size: one value, six bytes for each.
constexpr std::size_t kOvershoot = 6 * 4096;

// All kinds, and a type that holds itself.
constexpr std::string_view kEveryKind = R"({"type":"record","name":"n.R","fields":[
    {"name":"bo","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":"long"},
    {"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"by","type":"bytes"},
    {"name":"s","type":"string","default":"x"},
    {"name":"fi","type":{"type":"fixed","name":"F","size":3}},
    {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"a","type":{"type":"array","items":["null","int","string"]}},
    {"name":"m","type":{"type":"map","values":{"type":"array","items":"double"}}},
    {"name":"next","type":["null","R"],"default":null}]})";
constexpr std::string_view kEveryKindJson =
    R"({"bo":true,"i":-5,"l":9007199254740993,"f":0.5,"d":"NaN","by":"\u00ff","s":"é","fi":"abc",)"
    R"("e":"B","a":[null,7,"x"],"m":{"k":[1.5,2],"j":[]},"next":{"bo":false,"i":0,"l":1,"f":1,)"
    R"("d":2,"by":"","fi":"xyz","e":"A","a":[],"m":{}}})";

// Changes texts and bytes at random, from a seed.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  std::size_t Below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

  std::string Mutated(std::string text) {
    for (std::size_t changes = 1 + Below(4); changes > 0; --changes) Change(text);
    return text;
  }

 private:
  void Change(std::string& text) {
    const std::size_t at = Below(text.size() + 1);
    const auto part = [&] { return text.substr(at, Below(24)); };
    switch (Below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(Below(256));
        break;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << Below(8)));
        break;
      case 2:
        text.insert(at, Interesting());
        break;
      case 3:
        text.erase(at, Below(24));
        break;
      case 4:
        text.insert(Below(text.size() + 1), part());
        break;
      default:
        if (Below(4) == 0) text.resize(at);
    }
  }

  std::string Interesting() {
    static const std::vector<std::string> all = {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
                                                 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                                                 std::string(1, '\0'),
                                                 "\1",
                                                 "\2",
                                                 "\3",
                                                 "\xff\xff",
                                                 "\"",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ",",
                                                 "null",
                                                 R"("type":)",
                                                 R"("string")",
                                                 R"("CloudEvent")",
                                                 R"("R")",
                                                 "{}",
                                                 "1e308",
                                                 "-1",
                                                 R"({"type":"array","items":)",
                                                 R"("default":{})"};
    return all[Below(all.size())];
  }

  std::mt19937_64 random_;
};

struct Seedling {
  std::string schema, json, avro;
};

std::vector<Seedling> Seedlings() {
  std::vector<Seedling> all;
  all.push_back({std::string(kEveryKind), std::string(kEveryKindJson),
                 *Encode(kEveryKindJson, *SchemaOf(kEveryKind))});
  for (const OpenedxVector& vector : OpenedxVectors()) {
    for (const auto& sample : vector.samples) {
      all.push_back({vector.schema, sample.json, sample.avro});
    }
  }
  return all;
}

// Decodes, and what it gives must encode and decode to itself.
void CheckBytes(const std::string& avro, const AvroSchema& schema) {
  const auto json = DecodeAvro(avro, schema, kMaxJson, AvroTail::kIgnored);
  if (!json.ok()) return;
  ASSERT_LE(json->size(), kMaxJson + kOvershoot);
  const auto again = Encode(*json, schema, 1 << 20);
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << *json << "\n" << schema.text();
  const auto same = Decode(*again, schema);
  ASSERT_TRUE(same.ok()) << same.status();
  ASSERT_EQ(*same, *json);
}

void CheckJson(const std::string& json, const AvroSchema& schema) {
  const auto avro = Encode(json, schema, kMaxAvro);
  if (!avro.ok()) return;
  ASSERT_LE(avro->size(), kMaxAvro);
  const auto back = Decode(*avro, schema);
  ASSERT_TRUE(back.ok()) << back.status() << "\n" << json << "\n" << schema.text();
}

TEST(AvroFuzzTest, WhatIsBrokenIsRefusedAndWhatIsNotComesBack) {
  const char* chosen = std::getenv("SIDEBUS_TEST_SEED");
  const std::uint64_t first = chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 20260102;
  constexpr std::uint64_t kSeeds = 4000;
  std::cout << "seeds " << first << " to " << first + kSeeds - 1 << " (SIDEBUS_TEST_SEED)\n";
  const std::vector<Seedling> seedlings = Seedlings();
  for (std::uint64_t seed = first; seed < first + kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mutator mutator(seed);
    // Half of the time the one that has everything.
    const Seedling& seedling = seedlings[seed % 2 == 0 ? 0 : mutator.Below(seedlings.size())];
    const SharedSchema valid = SchemaOf(seedling.schema);
    const auto mutated = AvroSchema::Parse(mutator.Mutated(seedling.schema));
    for (const SharedSchema& schema : {valid, mutated.ok() ? *mutated : valid}) {
      CheckBytes(mutator.Mutated(seedling.avro), *schema);
      CheckJson(mutator.Mutated(seedling.json), *schema);
      if (HasFatalFailure()) return;
    }
    if (mutated.ok()) {
      ASSERT_EQ(SchemaOf((*mutated)->text())->text(), (*mutated)->text());
      CheckBytes(seedling.avro, **mutated);
      CheckJson(seedling.json, **mutated);
    }
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sidebus
