#include "tests/registry_contract/contract.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/base/error.h"
#include "server/base/mutex.h"

namespace sidebus::registry_contract {
namespace {

using testing::HasSubstr;

// Generous: a real registry on a busy machine. Nothing waits for it to pass.
constexpr auto kPatience = std::chrono::seconds(30);

Reason ReasonIn(const absl::Status& status) {
  return status.ok() ? Reason::kBug : ReasonOf(status);
}

// The answer to `ask(done)`.
template <typename T, typename Ask>
absl::StatusOr<T> AnswerTo(const Ask& ask) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<T>>>();
  std::future<absl::StatusOr<T>> answer = promise->get_future();
  ask([promise](absl::StatusOr<T> with) { promise->set_value(std::move(with)); });
  if (answer.wait_for(kPatience) != std::future_status::ready) {
    return absl::InternalError("no answer in time");
  }
  return answer.get();
}

}  // namespace

void RegistryContract::SetUp() {
  fixture_ = GetParam().make();
  if (fixture_ == nullptr) GTEST_SKIP() << GetParam().needs;
}

absl::StatusOr<std::string> RegistryContract::FindText(SchemaId id) {
  const auto text = AnswerTo<SchemaRegistry::Text>(
      [&](SchemaRegistry::OnText done) { registry().FindText(id, std::move(done)); });
  if (!text.ok()) return text.status();
  return **text;
}

absl::StatusOr<SchemaId> RegistryContract::Register(const SubjectSchema& schema) {
  return AnswerTo<SchemaId>(
      [&](SchemaRegistry::OnId done) { registry().Register(schema, std::move(done)); });
}

absl::StatusOr<SchemaId> RegistryContract::FindId(const SubjectSchema& schema) {
  return AnswerTo<SchemaId>(
      [&](SchemaRegistry::OnId done) { registry().FindId(schema, std::move(done)); });
}

std::string RegistryContract::NewSubject() {
  return fmt::format("contract-{}-{}-{}-value", getpid(),
                     testing::UnitTest::GetInstance()->current_test_info()->line(), ++used_);
}

std::string RegistryContract::NewText() {
  return fmt::format(
      R"({{"fields": [{{"name": "a", "type": "string"}}], "name": "R{}x{}x{}", "type": "record"}})",
      getpid(), testing::UnitTest::GetInstance()->current_test_info()->line(), ++used_);
}

TEST_P(RegistryContract, ARegisteredTextIsFoundByItsId) {
  const std::string text = NewText();

  const auto id = Register({NewSubject(), text});

  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(FindText(*id).value(), text);
}

TEST_P(RegistryContract, RegisteringAgainGivesTheSameId) {
  const SubjectSchema schema{NewSubject(), NewText()};
  const auto first = Register(schema);
  ASSERT_TRUE(first.ok()) << first.status();

  EXPECT_EQ(Register(schema).value(), *first);
}

TEST_P(RegistryContract, OtherTextsHaveOtherIds) {
  const auto first = Register({NewSubject(), NewText()});
  const auto second = Register({NewSubject(), NewText()});

  ASSERT_TRUE(first.ok() && second.ok()) << first.status() << second.status();
  EXPECT_NE(*first, *second);
}

TEST_P(RegistryContract, ALookUpFindsWhatIsRegistered) {
  const SubjectSchema schema{NewSubject(), NewText()};
  const auto id = Register(schema);
  ASSERT_TRUE(id.ok()) << id.status();

  EXPECT_EQ(FindId(schema).value(), *id);
}

TEST_P(RegistryContract, ALookUpRegistersNothing) {
  const SubjectSchema schema{NewSubject(), NewText()};

  for (int i = 0; i < 2; ++i) {
    const absl::Status found = FindId(schema).status();

    EXPECT_EQ(ReasonIn(found), Reason::kSchemaIncompatible) << found;
  }
}

TEST_P(RegistryContract, ALookUpLooksIntoItsSubjectOnly) {
  const SubjectSchema schema{NewSubject(), NewText()};
  ASSERT_TRUE(Register(schema).ok());
  const std::string other = NewSubject();
  ASSERT_TRUE(Register({other, NewText()}).ok());

  EXPECT_EQ(ReasonIn(FindId({other, schema.text}).status()), Reason::kSchemaIncompatible);
}

TEST_P(RegistryContract, AnUnknownIdIsMissing) {
  for (const std::uint32_t id : {0u, 2'000'000'000u, 2'147'483'648u, 4'294'967'295u}) {
    const absl::Status found = FindText(SchemaId(id)).status();

    EXPECT_EQ(ReasonIn(found), Reason::kSchemaMissing) << id << ": " << found;
  }
}

TEST_P(RegistryContract, AnIncompatibleTextIsRefusedAndOthersAreNot) {
  const std::string subject = NewSubject();
  const SubjectSchema first{subject, NewText()};
  ASSERT_TRUE(Register(first).ok());
  fixture_->RefuseIncompatible(subject);
  std::string more = first.text;
  more.insert(more.find(']'), R"(, {"name": "b", "type": "long"})");

  const absl::Status refused = Register({subject, more}).status();

  EXPECT_EQ(ReasonIn(refused), Reason::kSchemaIncompatible) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr(subject));
  EXPECT_TRUE(Register(first).ok());
  EXPECT_TRUE(Register({NewSubject(), more}).ok());
}

TEST_P(RegistryContract, ATextThatIsNoSchemaIsRefused) {
  const absl::Status refused = Register({NewSubject(), "no schema"}).status();

  EXPECT_EQ(ReasonIn(refused), Reason::kSchemaIncompatible) << refused;
}

TEST_P(RegistryContract, ASubjectMayHaveAnyCharacters) {
  const std::string text = NewText();
  for (const char* odd : {"a b", "a/b", "100%", "a?b=c#d", "ü-é", "a+b&c", "..", "\"quoted\""}) {
    const SubjectSchema schema{NewSubject() + odd, text};

    const auto id = Register(schema);

    ASSERT_TRUE(id.ok()) << odd << ": " << id.status();
    EXPECT_EQ(FindId(schema).value(), *id) << odd;
  }
}

TEST_P(RegistryContract, ATextMayHaveAnyCharacters) {
  std::string text = NewText();
  text.insert(1, R"("doc": "ü \"quoted\" \\ / \n \u0007 & <b> 100%", )");

  const auto id = Register({NewSubject(), text});

  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(FindText(*id).value(), text);
}

TEST_P(RegistryContract, ManyMayAskAtATimeAndEachIsAnsweredOnceAndNotFromInside) {
  const SubjectSchema schema{NewSubject(), NewText()};
  ASSERT_TRUE(Register(schema).ok());
  struct {
    Mutex mu;
    CondVar changed;
    int answered ABSL_GUARDED_BY(mu) = 0;
    int failed ABSL_GUARDED_BY(mu) = 0;
    int inside ABSL_GUARDED_BY(mu) = 0;
  } seen;
  const std::thread::id self = std::this_thread::get_id();
  constexpr int kQuestions = 60;

  for (int i = 0; i < kQuestions; ++i) {
    registry().FindId(schema, [&seen, self](const absl::StatusOr<SchemaId>& id) {
      MutexLock lock(seen.mu);
      ++seen.answered;
      seen.failed += id.ok() ? 0 : 1;
      seen.inside += std::this_thread::get_id() == self ? 1 : 0;
      seen.changed.NotifyAll();
    });
  }

  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  MutexLock lock(seen.mu);
  while (seen.answered < kQuestions && seen.changed.WaitUntil(seen.mu, deadline)) {
  }
  EXPECT_EQ(seen.answered, kQuestions);
  EXPECT_EQ(seen.failed, 0);
  EXPECT_EQ(seen.inside, 0);
}

TEST_P(RegistryContract, ItsEndAnswersWhatIsOpen) {
  std::atomic<int> answered{0};
  for (int i = 0; i < 20; ++i) {
    registry().FindText(SchemaId(1), [&](const auto&) { ++answered; });
  }

  fixture_->End();

  EXPECT_EQ(answered, 20);
}

TEST_P(RegistryContract, ItsEndWaitsForAnAnswerThatIsBeingGiven) {
  struct Answer {
    absl::Notification begun;
    std::atomic<bool> over{false};
  };
  const auto answer = std::make_shared<Answer>();
  registry().FindText(SchemaId(1), [answer](const auto&) {
    answer->begun.Notify();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // gives the end its chance
    answer->over = true;
  });
  answer->begun.WaitForNotification();

  fixture_->End();

  EXPECT_TRUE(answer->over);
}

}  // namespace sidebus::registry_contract
