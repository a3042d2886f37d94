#include "server/app/doctor_surroundings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(DoctorConfigurationTest, EachProblemIsARow) {
  const ConfigFiles files;

  const auto rows =
      JudgeConfiguration(files.Read("broker: {kind: embedded}\nsorce: /x\nlogg: 1\n"));

  ASSERT_THAT(rows, SizeIs(2));
  EXPECT_EQ(rows[0].verdict, Verdict::kFailed);
  EXPECT_EQ(rows[0].subject, "sorce");
  EXPECT_THAT(rows[0].found, HasSubstr("config.yaml:2:1: unknown key"));
  EXPECT_EQ(rows[1].subject, "logg");
}

TEST(DoctorConfigurationTest, AGoodOneIsOneRow) {
  const ConfigFiles files;

  const auto rows = JudgeConfiguration(
      files.Read("broker: {kind: embedded}\n"
                 "producer_config: {t: {a: {event_key_field: '', enabled: true}}}\n"));

  ASSERT_THAT(rows, ElementsAre(Field(&Finding::verdict, Verdict::kOk)));
  EXPECT_THAT(rows[0].found, HasSubstr("config.yaml: 1 event type, 1 route"));
}

TEST(DoctorConfigurationTest, WarningsFollowTheRowOfTheWhole) {
  const ConfigFiles files;

  const auto rows = JudgeConfiguration(files.Read("broker: {kind: embedded}\n"));

  ASSERT_THAT(rows, ElementsAre(Field(&Finding::verdict, Verdict::kOk),
                                Field(&Finding::verdict, Verdict::kWarning)));
  EXPECT_EQ(rows[1].subject, "producer_config");
}

TEST(DoctorMachineTest, OpenFilesMustDoForAFullGateway) {
  const LimitsConfig limits;

  EXPECT_EQ(JudgeOpenFiles(1'048'576, limits, 3).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeOpenFiles(256, limits, 3).verdict, Verdict::kWarning);
  EXPECT_EQ(JudgeOpenFiles(1024, limits, 30).verdict, Verdict::kWarning);
}

TEST(DoctorMachineTest, TheContainersMemoryMustHaveRoomForLimitsMemoryAndMore) {
  LimitsConfig limits;
  limits.memory = 128 * kMiB;

  EXPECT_EQ(JudgeMemory(std::nullopt, limits).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeMemory(192 * kMiB, limits).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeMemory(191 * kMiB, limits).verdict, Verdict::kWarning);
  EXPECT_EQ(JudgeMemory(127 * kMiB, limits).verdict, Verdict::kFailed);
  EXPECT_THAT(JudgeMemory(127 * kMiB, limits).fix, HasSubstr("192MiB"));
}

RegistryFacts Answering(std::set<std::string> subjects) {
  RegistryFacts facts;
  facts.answered = true;
  facts.subjects = std::move(subjects);
  return facts;
}

TEST(DoctorRegistryTest, SaysWhyItIsOfNoUse) {
  RegistryFacts facts;
  facts.subjects = absl::UnavailableError("nobody answers at schema_registry.url");

  EXPECT_EQ(JudgeRegistry(facts).verdict, Verdict::kFailed);
  EXPECT_EQ(JudgeRegistry(facts).found, "nobody answers at schema_registry.url");
  EXPECT_THAT(JudgeRegistry(facts).fix, HasSubstr("ca_file"));
  facts.answered = true;
  EXPECT_THAT(JudgeRegistry(facts).fix, HasSubstr("password_file"));
  EXPECT_EQ(JudgeSubjects(facts, {"a"}, RegisterSchemas::kNever).verdict, Verdict::kSkipped);
  EXPECT_THAT(JudgeRegistry(Answering({"a", "b"})).found, HasSubstr("2 subjects"));
}

TEST(DoctorRegistryTest, MissingSubjectsMatterWhereNobodyRegistersThem) {
  const RegistryFacts facts = Answering({"a"});

  EXPECT_EQ(JudgeSubjects(facts, {"a"}, RegisterSchemas::kNever).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeSubjects(facts, {"a", "b"}, RegisterSchemas::kFirstUse).verdict, Verdict::kOk);
  const Finding row = JudgeSubjects(facts, {"a", "b", "c"}, RegisterSchemas::kNever);
  EXPECT_EQ(row.verdict, Verdict::kWarning);
  EXPECT_EQ(row.found, "1 of 3 are there; missing: b and 1 more");
  EXPECT_EQ(JudgeSubjects(facts, {}, RegisterSchemas::kNever).verdict, Verdict::kSkipped);
}

TEST(DoctorClockTest, ComparesWithTheDateOfTheRegistry) {
  RegistryFacts facts;
  const auto judge = [&facts](seconds ahead) {
    facts.its_time = SystemTime(seconds(1'000'000));
    facts.our_time = *facts.its_time + ahead;
    return JudgeClock(facts);
  };

  EXPECT_EQ(JudgeClock(facts).verdict, Verdict::kSkipped);
  EXPECT_EQ(judge(seconds(0)).verdict, Verdict::kOk);
  EXPECT_EQ(judge(seconds(-5)).verdict, Verdict::kOk);
  EXPECT_EQ(judge(seconds(-6)).verdict, Verdict::kWarning);
  EXPECT_EQ(judge(seconds(-6)).found, "6 s behind the registry's");
  EXPECT_EQ(judge(seconds(90)).found, "90 s ahead of the registry's");
  EXPECT_EQ(judge(seconds(3600)).verdict, Verdict::kFailed);
}

}  // namespace
}  // namespace sidebus
