#include "server/subscribe/writer_schemas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/base/error.h"
#include "tests/support/manual_time.h"
#include "tests/support/memory_registry.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;

class WriterSchemasTest : public testing::Test {
 protected:
  // What Ask() answers, sooner or later.
  absl::Status Ask(SchemaId id) {
    absl::Status answer = absl::UnknownError("no answer");
    const auto known = schemas_->Ask(id, [&](const absl::Status& later) { answer = later; });
    if (known.has_value()) return *known;
    time_.RunDue();
    return answer;
  }

  static constexpr std::size_t kMaxBytes = 8 << 20;

  ManualTime time_;
  MemoryRegistry* const registry_ = new MemoryRegistry(time_, time_);
  SchemaCache cache_{std::unique_ptr<SchemaRegistry>(registry_), time_};
  std::shared_ptr<WriterSchemas> schemas_ =
      std::make_shared<WriterSchemas>(cache_, time_, kMaxBytes);
  const SchemaId string_ = registry_->Add({"s", R"("string")"});
};

TEST_F(WriterSchemasTest, AnIdThatNobodyAskedForIsUnknown) {
  EXPECT_FALSE(schemas_->Find(string_).has_value());
}

TEST_F(WriterSchemasTest, ASchemaIsParsedOnceForAllWhoFindIt) {
  EXPECT_TRUE(Ask(string_).ok());
  const auto first = schemas_->Find(string_);
  EXPECT_TRUE(Ask(string_).ok());

  const auto second = schemas_->Find(string_);

  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_NE(first->schema, nullptr);
  EXPECT_EQ(first->schema, second->schema);
  EXPECT_TRUE(first->final);
  EXPECT_THAT(registry_->questions(), ElementsAre("find 1"));
}

TEST_F(WriterSchemasTest, AnOutageIsNoAnswer) {
  registry_->SetDown(true);

  EXPECT_EQ(ReasonOf(Ask(string_)), Reason::kRegistryDown);

  EXPECT_FALSE(schemas_->Find(string_).has_value());
}

TEST_F(WriterSchemasTest, ARefusalIsFinalWhenItIsSaidAgainTenSecondsLater) {
  EXPECT_TRUE(Ask(SchemaId(9)).ok());
  EXPECT_FALSE(schemas_->Find(SchemaId(9))->final);
  EXPECT_EQ(schemas_->Find(SchemaId(9))->ask_again, time_.Now() + seconds(10));
  time_.Advance(seconds(5));
  EXPECT_TRUE(Ask(SchemaId(9)).ok());
  EXPECT_FALSE(schemas_->Find(SchemaId(9))->final) << "somebody else asked a little later";

  time_.Advance(seconds(10));
  EXPECT_TRUE(Ask(SchemaId(9)).ok());

  EXPECT_TRUE(schemas_->Find(SchemaId(9))->final);
  EXPECT_EQ(schemas_->Find(SchemaId(9))->schema, nullptr);
  EXPECT_EQ(ReasonOf(schemas_->Find(SchemaId(9))->error), Reason::kSchemaMissing);
}

TEST_F(WriterSchemasTest, ARefusalIsForgottenAfterAMinute) {
  EXPECT_TRUE(Ask(SchemaId(9)).ok());

  time_.Advance(minutes(1));

  EXPECT_FALSE(schemas_->Find(SchemaId(9)).has_value());
}

TEST_F(WriterSchemasTest, ATextThatIsNoSchemaIsFinalAtOnce) {
  const SchemaId id = registry_->Add({"s", "{"});

  EXPECT_TRUE(Ask(id).ok());

  EXPECT_TRUE(schemas_->Find(id)->final);
  EXPECT_EQ(schemas_->Find(id)->schema, nullptr);
}

TEST_F(WriterSchemasTest, TheOneThatNobodyFoundForLongestMakesRoom) {
  std::vector<SchemaId> ids;
  for (std::size_t i = 0; i <= WriterSchemas::kMaxEntries; ++i) {
    ids.push_back(registry_->Add({"s", R"("string")" + std::string(i + 1, ' ')}));
  }
  for (std::size_t i = 0; i < WriterSchemas::kMaxEntries; ++i) EXPECT_TRUE(Ask(ids[i]).ok());
  EXPECT_TRUE(schemas_->Find(ids[0]).has_value());

  EXPECT_TRUE(Ask(ids.back()).ok());

  EXPECT_TRUE(schemas_->Find(ids[0]).has_value());
  EXPECT_FALSE(schemas_->Find(ids[1]).has_value());
  EXPECT_TRUE(schemas_->Find(ids.back()).has_value());
}

TEST_F(WriterSchemasTest, LargeSchemasMakeRoomByTheirSize) {
  const std::string doc(50'000, 'x');
  std::vector<SchemaId> ids;
  for (int i = 0; i < 40; ++i) {
    ids.push_back(
        registry_->Add({"s", R"({"type": "string", "doc": ")" + doc + std::to_string(i) + "\"}"}));
    EXPECT_TRUE(Ask(ids.back()).ok());
  }

  EXPECT_FALSE(schemas_->Find(ids.front()).has_value());
  EXPECT_TRUE(schemas_->Find(ids.back()).has_value());
  EXPECT_LE(schemas_->bytes(), kMaxBytes);
  EXPECT_GT(schemas_->bytes(), kMaxBytes / 2);
}

// A record cannot be decoded before both are there.
TEST_F(WriterSchemasTest, TheLargestSchemasOfAKeyAndAValueHaveRoomTogetherWhateverTheBound) {
  schemas_ = std::make_shared<WriterSchemas>(cache_, time_, 0);
  const std::string doc(AvroSchema::kMaxTextBytes - 100, 'x');
  std::vector<SchemaId> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(
        registry_->Add({"s", R"({"type": "string", "doc": ")" + doc + std::to_string(i) + "\"}"}));
    EXPECT_TRUE(Ask(ids.back()).ok());
  }

  EXPECT_FALSE(schemas_->Find(ids[0]).has_value());
  EXPECT_NE(schemas_->Find(ids[1])->schema, nullptr);
  EXPECT_NE(schemas_->Find(ids[2])->schema, nullptr);
}

TEST_F(WriterSchemasTest, NobodyIsToldWhenItIsGone) {
  registry_->SetDelay(milliseconds(1));
  bool told = false;
  EXPECT_FALSE(schemas_->Ask(string_, [&](const absl::Status&) { told = true; }).has_value());

  schemas_.reset();
  time_.Advance(seconds(1));

  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace sidebus
