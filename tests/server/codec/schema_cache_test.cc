#include "server/codec/schema_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/error.h"
#include "tests/support/manual_time.h"
#include "tests/support/memory_registry.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Text = SchemaRegistry::Text;

const SubjectSchema kOrders{"orders-value", R"({"type":"string"})"};

// An answer in a line: "id 1", "text ...", or the reason.
std::string Word(const absl::StatusOr<SchemaId>& id) {
  if (!id.ok()) return std::string(ReasonName(ReasonOf(id.status())));
  return "id " + std::to_string(id->value());
}
std::string Word(const absl::StatusOr<Text>& text) {
  return text.ok() ? "text " + **text : std::string(ReasonName(ReasonOf(text.status())));
}

class SchemaCacheTest : public ::testing::Test {
 protected:
  void Make(SchemaCacheOptions options) {
    auto registry = std::make_unique<MemoryRegistry>(time_, time_);
    registry_ = registry.get();
    cache_ =
        std::make_unique<SchemaCache>(std::move(registry), time_, options, SchemaMetrics(metrics_));
  }

  // What is answered at once; "later": nothing.
  std::string FindText(std::uint32_t id) {
    return AtOnce(cache_->FindText(SchemaId(id), Note<Text>()));
  }
  std::string Register(const SubjectSchema& schema) {
    return AtOnce(cache_->Register(schema, Note<SchemaId>()));
  }
  std::string FindId(const SubjectSchema& schema) {
    return AtOnce(cache_->FindId(schema, Note<SchemaId>()));
  }

  // What came later, since the last call.
  std::vector<std::string> Later() { return std::exchange(later_, {}); }

  // The same as FindText(), with the answer that comes later.
  std::string FindTextInTheEnd(std::uint32_t id) {
    const std::string at_once = FindText(id);
    if (at_once != "later") return at_once;
    time_.RunDue();
    return Later().at(0);
  }

  void GoDown() {
    registry_->SetDown(true);
    FindTextInTheEnd(901);
    FindTextInTheEnd(902);
    ASSERT_TRUE(cache_->registry_down());
  }

  std::size_t asked() const { return registry_->questions().size(); }

  ManualTime time_;
  Metrics metrics_;
  std::vector<std::string> later_;
  MemoryRegistry* registry_ = nullptr;  // of the cache
  std::unique_ptr<SchemaCache> cache_;

 private:
  void SetUp() override { Make({}); }

  template <typename T>
  SchemaCache::Later<T> Note() {
    return [this](const absl::StatusOr<T>& answer) { later_.push_back(Word(answer)); };
  }
  template <typename T>
  std::string AtOnce(const std::optional<absl::StatusOr<T>>& answer) {
    return answer.has_value() ? Word(*answer) : "later";
  }
};

TEST_F(SchemaCacheTest, TheFirstQuestionGoesToTheRegistryTheSecondIsAnsweredAtOnce) {
  registry_->Add(kOrders);

  EXPECT_EQ(FindText(1), "later");
  time_.RunDue();
  EXPECT_THAT(Later(), ElementsAre("text " + kOrders.text));

  EXPECT_EQ(FindText(1), "text " + kOrders.text);
  EXPECT_THAT(registry_->questions(), ElementsAre("find 1"));
}

TEST_F(SchemaCacheTest, EachKindOfQuestionIsAskedAsItself) {
  EXPECT_EQ(Register(kOrders), "later");
  time_.RunDue();
  EXPECT_EQ(FindId(kOrders), "later");
  time_.RunDue();

  EXPECT_THAT(Later(), ElementsAre("id 1", "id 1"));
  EXPECT_EQ(Register(kOrders), "id 1");
  EXPECT_EQ(FindId(kOrders), "id 1");
  EXPECT_THAT(registry_->questions(), ElementsAre("register orders-value", "lookup orders-value"));
}

TEST_F(SchemaCacheTest, WhoAsksTheSameMeanwhileWaitsForTheSameAnswer) {
  registry_->Add(kOrders);

  for (int i = 0; i < 3; ++i) EXPECT_EQ(FindText(1), "later");
  time_.RunDue();

  EXPECT_THAT(Later(), SizeIs(3));
  EXPECT_EQ(asked(), 1u);
}

TEST_F(SchemaCacheTest, TheSameTextUnderAnotherSubjectIsAnotherQuestion) {
  EXPECT_EQ(Register(kOrders), "later");
  EXPECT_EQ(Register({"other", kOrders.text}), "later");
}

TEST_F(SchemaCacheTest, AnUnknownIdIsRememberedForAWhileOnly) {
  EXPECT_EQ(FindTextInTheEnd(1), "SCHEMA_MISSING");
  registry_->Add(kOrders);

  time_.Advance(seconds(10) - Duration(1));
  EXPECT_EQ(FindText(1), "SCHEMA_MISSING");
  time_.Advance(Duration(1));
  EXPECT_EQ(FindTextInTheEnd(1), "text " + kOrders.text);
}

TEST_F(SchemaCacheTest, ARefusedSchemaStopsNoOther) {
  registry_->Freeze("orders-value");

  Register(kOrders);
  Register({"other", kOrders.text});
  time_.RunDue();

  EXPECT_THAT(Later(), ElementsAre("SCHEMA_INCOMPATIBLE", "id 1"));
  EXPECT_EQ(Register(kOrders), "SCHEMA_INCOMPATIBLE");
  EXPECT_FALSE(cache_->registry_down());
}

TEST_F(SchemaCacheTest, WhatIsKnownGoesOnThroughAnOutage) {
  registry_->Add(kOrders);
  FindTextInTheEnd(1);

  GoDown();
  time_.Advance(std::chrono::hours(24));

  EXPECT_EQ(FindText(1), "text " + kOrders.text);
}

TEST_F(SchemaCacheTest, WhatIsNewFailsAtOnceDuringAnOutageAndTheRegistryIsNotAsked) {
  GoDown();
  const std::size_t before = asked();

  for (std::uint32_t id = 1; id <= 100; ++id) EXPECT_EQ(FindText(id), "REGISTRY_DOWN");
  EXPECT_EQ(Register(kOrders), "REGISTRY_DOWN");

  EXPECT_EQ(asked(), before);
}

TEST_F(SchemaCacheTest, OneProbeAtATimeGoesOutDuringAnOutage) {
  GoDown();
  const std::size_t before = asked();

  time_.Advance(OutageGate::kMinPause);
  EXPECT_EQ(FindText(1), "later");
  EXPECT_EQ(FindText(2), "REGISTRY_DOWN");
  EXPECT_EQ(FindText(1), "later");  // waits for the probe
  time_.RunDue();

  EXPECT_THAT(Later(), ElementsAre("REGISTRY_DOWN", "REGISTRY_DOWN"));
  EXPECT_EQ(asked(), before + 1);
}

TEST_F(SchemaCacheTest, AMinuteOfOutageCostsFewRequestsHoweverManyAsk) {
  GoDown();
  const std::size_t before = asked();

  for (int i = 0; i < 6000; ++i) {
    time_.Advance(milliseconds(10));
    FindText(static_cast<std::uint32_t>(i % 50));
  }

  EXPECT_LE(asked() - before, 65u);  // a probe every second, and the first ones
  EXPECT_GE(asked() - before, 57u);
}

TEST_F(SchemaCacheTest, TheOnlyQuestionOfAnOutageIsItsProbeHoweverOftenItFailed) {
  registry_->Add(kOrders);
  GoDown();
  for (int i = 0; i < 6000; ++i) {
    time_.Advance(milliseconds(10));
    FindText(1);
  }
  registry_->SetDown(false);
  Later();

  time_.Advance(OutageGate::kMaxPause);

  EXPECT_EQ(FindTextInTheEnd(1), "text " + kOrders.text);
}

TEST_F(SchemaCacheTest, WhatFailedInAnOutageIsAskedAsSoonAsItIsOver) {
  registry_->Add(kOrders);
  GoDown();
  for (int i = 0; i < 6000; ++i) {
    time_.Advance(milliseconds(10));
    FindText(static_cast<std::uint32_t>(1 + i % 5));
  }
  registry_->SetDown(false);
  time_.Advance(OutageGate::kMaxPause);
  FindText(9);  // whatever it is, it has an answer
  time_.RunDue();
  Later();

  EXPECT_FALSE(cache_->registry_down());
  EXPECT_EQ(FindTextInTheEnd(1), "text " + kOrders.text);
}

TEST_F(SchemaCacheTest, TheFirstAnswerEndsTheOutage) {
  registry_->Add(kOrders);
  GoDown();
  registry_->SetDown(false);

  time_.Advance(OutageGate::kMinPause);

  EXPECT_EQ(FindTextInTheEnd(1), "text " + kOrders.text);
  EXPECT_FALSE(cache_->registry_down());
  EXPECT_EQ(FindText(2), "later");
}

TEST_F(SchemaCacheTest, AQuestionThatAlwaysFailsIsAskedLessAndLessAndStopsNoOther) {
  registry_->Add(kOrders);
  registry_->FailOn("7");

  for (int i = 0; i < 6000; ++i) {
    time_.Advance(milliseconds(10));
    FindText(7);
  }

  Later();
  EXPECT_LE(asked(), 20u);
  EXPECT_FALSE(cache_->registry_down());
  EXPECT_EQ(FindTextInTheEnd(1), "text " + kOrders.text);
}

TEST_F(SchemaCacheTest, TooManyQuestionsAtATimeAreRefused) {
  SchemaCacheOptions options;
  options.max_asked = 2;
  Make(options);

  EXPECT_EQ(FindText(1), "later");
  EXPECT_EQ(Register(kOrders), "later");

  EXPECT_EQ(FindText(2), "REGISTRY_DOWN");
  EXPECT_EQ(FindText(1), "later");  // no other question
  EXPECT_FALSE(cache_->registry_down());
}

TEST_F(SchemaCacheTest, TooManyWhoWaitAreRefused) {
  SchemaCacheOptions options;
  options.max_waiting = 2;
  Make(options);
  FindText(1);
  FindText(1);

  EXPECT_EQ(FindText(1), "REGISTRY_DOWN");

  time_.RunDue();
  EXPECT_EQ(FindText(2), "later");
}

TEST_F(SchemaCacheTest, OpenQuestionsAreBoundedInBytesButForOne) {
  SchemaCacheOptions options;
  options.max_asked_bytes = 2100;
  Make(options);
  const auto ask = [&](char letter, std::size_t size) {
    const SubjectSchema schema{"s", std::string(size, letter)};
    return cache_->Register(schema, [](const absl::StatusOr<SchemaId>&) {});
  };

  EXPECT_FALSE(ask('"', 5000).has_value()) << "alone";
  EXPECT_TRUE(ask('a', 10).has_value());
  EXPECT_GT(cache_->bytes(), 10'000u);
  time_.RunDue();
  EXPECT_FALSE(ask('b', 1000).has_value());
  EXPECT_FALSE(ask('b', 1000).has_value()) << "the same";
  EXPECT_TRUE(ask('c', 1000).has_value());
}

TEST_F(SchemaCacheTest, WhatNobodyAskedForLongestIsForgottenFirst) {
  SchemaCacheOptions options;
  options.max_entries = 2;
  Make(options);
  for (const char* text : {"\"a\"", "\"b\"", "\"c\""}) registry_->Add({"s", text});
  FindTextInTheEnd(1);
  FindTextInTheEnd(2);
  EXPECT_EQ(FindText(1), "text \"a\"");

  FindTextInTheEnd(3);

  EXPECT_EQ(FindText(1), "text \"a\"");
  EXPECT_EQ(FindText(2), "later");
}

TEST_F(SchemaCacheTest, AnswersAreBoundedInBytes) {
  SchemaCacheOptions options;
  options.max_bytes = 10'000;
  Make(options);
  for (const char letter : {'a', 'b', 'c'}) {
    registry_->Add({"s", "\"" + std::string(4000, letter) + "\""});
  }

  for (std::uint32_t id = 1; id <= 3; ++id) FindTextInTheEnd(id);

  EXPECT_NE(FindText(3), "later");
  EXPECT_NE(FindText(2), "later");
  EXPECT_EQ(FindText(1), "later");
}

TEST_F(SchemaCacheTest, ATextThatIsLargerThanTheRoomIsHandedOnAndNotKept) {
  SchemaCacheOptions options;
  options.max_bytes = 1000;
  Make(options);
  registry_->Add({"s", "\"small\""});
  registry_->Add({"s", "\"" + std::string(4000, 'x') + "\""});
  FindTextInTheEnd(1);

  EXPECT_THAT(FindTextInTheEnd(2), SizeIs(4007));

  EXPECT_EQ(FindText(2), "later");
  EXPECT_EQ(FindText(1), "text \"small\"");
}

TEST_F(SchemaCacheTest, WhatTheRegistryIsNotAskedForIsCounted) {
  registry_->Add(kOrders);
  FindText(1);
  FindText(1);  // waits for the same
  time_.RunDue();
  FindText(1);
  GoDown();
  FindText(2);

  const std::string metrics = metrics_.Serialize();
  EXPECT_THAT(metrics, HasSubstr(R"(sidebus_schema_requests_total{op="find",result="hit"} 2)"));
  EXPECT_THAT(metrics, HasSubstr(R"(sidebus_schema_requests_total{op="find",result="error"} 1)"));
}

TEST_F(SchemaCacheTest, ItsEndTellsThoseWhoWait) {
  FindText(1);
  Register(kOrders);

  cache_.reset();

  EXPECT_THAT(Later(), ElementsAre("REGISTRY_DOWN", "REGISTRY_DOWN"));
}

TEST_F(SchemaCacheTest, AWaiterMayAskAgainFromInside) {
  registry_->Add(kOrders);
  std::string inside;
  EXPECT_FALSE(
      cache_->FindText(SchemaId(1), [&](const absl::StatusOr<Text>&) { inside = FindText(1); })
          .has_value());

  time_.RunDue();

  EXPECT_EQ(inside, "text " + kOrders.text);
  EXPECT_THAT(Later(), IsEmpty());
}

}  // namespace
}  // namespace sidebus
