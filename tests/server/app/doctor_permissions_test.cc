#include "server/app/doctor_permissions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kRead = KafkaOperation::kRead;
constexpr auto kWrite = KafkaOperation::kWrite;
constexpr auto kDescribe = KafkaOperation::kDescribe;

TopicFacts Topic(std::string name, KafkaOperations operations) {
  TopicFacts topic;
  topic.name = std::move(name);
  topic.presence = TopicPresence::kThere;
  topic.operations = std::move(operations);
  return topic;
}

TopicFacts Without(std::string name, TopicPresence presence) {
  TopicFacts topic;
  topic.name = std::move(name);
  topic.presence = presence;
  return topic;
}

NewTopicFacts NewTopic(std::string name, KafkaPermission may_create, std::string error = "") {
  NewTopicFacts topic;
  topic.name = std::move(name);
  topic.may_create = may_create;
  topic.error = std::move(error);
  return topic;
}

GroupFacts Group(std::string name, KafkaPermission may_read) {
  GroupFacts group;
  group.name = std::move(name);
  group.may_read = may_read;
  return group;
}

using Operations = std::set<KafkaOperation>;

TEST(DoctorPublishingTest, NeedsWriteOnEveryTopic) {
  const Finding good =
      JudgePublishing({Topic("a", Operations{kWrite, kDescribe}), Topic("b", Operations{kWrite})});
  const Finding bad =
      JudgePublishing({Topic("a", Operations{kWrite}), Topic("b", Operations{kRead, kDescribe})});

  EXPECT_EQ(good.verdict, Verdict::kOk);
  EXPECT_EQ(good.found, "Write on 2 topics");
  EXPECT_EQ(bad.verdict, Verdict::kFailed);
  EXPECT_EQ(bad.found, "no Write on b");
  EXPECT_THAT(bad.fix, HasSubstr("--operation Write --topic b"));
}

TEST(DoctorPublishingTest, ATopicThatKafkaHidesMayNotBeWritten) {
  const Finding row = JudgePublishing({Without("a", TopicPresence::kDenied)});

  EXPECT_EQ(row.verdict, Verdict::kFailed);
}

TEST(DoctorPublishingTest, AMissingTopicHasARowOfItsOwn) {
  const Finding row =
      JudgePublishing({Topic("a", Operations{kWrite}), Without("b", TopicPresence::kMissing)});

  EXPECT_EQ(row.verdict, Verdict::kOk);
  EXPECT_EQ(row.found, "Write on 1 topic");
}

TEST(DoctorPublishingTest, AClusterThatTellsNothingIsNotJudged) {
  const Finding row = JudgePublishing({Topic("a", std::nullopt)});

  EXPECT_EQ(row.verdict, Verdict::kSkipped);
  EXPECT_THAT(row.found, HasSubstr("does not tell"));
}

TEST(DoctorPublishingTest, ManyTopicsAreNotAllNamed) {
  std::vector<TopicFacts> topics;
  for (const char* name : {"a", "b", "c", "d", "e"}) topics.push_back(Topic(name, Operations{}));

  EXPECT_EQ(JudgePublishing(topics).found, "no Write on a, b, c and 2 more");
}

TEST(DoctorSubscribingTest, IsOnlyAWarningWhereNobodySaysThatHeSubscribes) {
  const std::vector<TopicFacts> topics = {Topic("a", Operations{kWrite, kDescribe})};

  EXPECT_EQ(JudgeSubscribing(topics, false).verdict, Verdict::kWarning);
  EXPECT_EQ(JudgeSubscribing(topics, true).verdict, Verdict::kFailed);
  EXPECT_EQ(JudgeSubscribing({Topic("a", Operations{kRead})}, true).verdict, Verdict::kOk);
}

TEST(DoctorGroupTest, NeedsReadWhetherItExistsOrNot) {
  GroupFacts group = Group("billing", KafkaPermission::kGranted);

  EXPECT_EQ(JudgeGroup(group).verdict, Verdict::kOk);
  EXPECT_THAT(JudgeGroup(group).found, HasSubstr("does not exist yet"));
  group.exists = true;
  group.members = 2;
  EXPECT_THAT(JudgeGroup(group).found, HasSubstr("it has 2 members"));
  group.may_read = KafkaPermission::kDenied;
  EXPECT_EQ(JudgeGroup(group).verdict, Verdict::kFailed);
  EXPECT_THAT(JudgeGroup(group).fix, HasSubstr("--operation Read --group billing"));
}

TEST(DoctorGroupTest, WhatKafkaSaidInsteadIsSaid) {
  GroupFacts group = Group("billing", KafkaPermission::kUnknown);

  EXPECT_EQ(JudgeGroup(group).found, "no answer in time");
  group.error = "COORDINATOR_NOT_AVAILABLE";
  EXPECT_EQ(JudgeGroup(group).verdict, Verdict::kWarning);
  EXPECT_THAT(JudgeGroup(group).found, HasSubstr("COORDINATOR_NOT_AVAILABLE"));
}

TEST(DoctorGroupTest, ConsumersWithoutOneNeedToFindACoordinatorAllTheSame) {
  GroupFacts group = Group("sidebus-broadcast", KafkaPermission::kDenied);
  group.may_describe = KafkaPermission::kGranted;

  EXPECT_EQ(JudgeBroadcast(group).verdict, Verdict::kOk);
  group.may_describe = KafkaPermission::kDenied;
  EXPECT_EQ(JudgeBroadcast(group).verdict, Verdict::kWarning);
  EXPECT_THAT(JudgeBroadcast(group).fix,
              HasSubstr("--operation Describe --group sidebus-broadcast"));
  group.may_describe = KafkaPermission::kUnknown;
  EXPECT_EQ(JudgeBroadcast(group).verdict, Verdict::kSkipped);
}

class DoctorDeadLettersTest : public ::testing::Test {
 protected:
  DoctorDeadLettersTest() {
    letters_.group = "billing";
    letters_.topics = {Without("a.billing.dead", TopicPresence::kMissing)};
  }

  Finding JudgeCreation(KafkaPermission may_create, std::string error = "") {
    letters_.missing = {NewTopic("a.billing.dead", may_create, std::move(error))};
    return JudgeDeadLetters(letters_);
  }

  DeadLetterTopics letters_;
};

TEST_F(DoctorDeadLettersTest, MissingTopicsMayHaveToBeMade) {
  EXPECT_EQ(JudgeCreation(KafkaPermission::kGranted).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeCreation(KafkaPermission::kGranted).found, "1 topic made when needed");
  EXPECT_EQ(JudgeCreation(KafkaPermission::kDenied).verdict, Verdict::kFailed);
  EXPECT_THAT(JudgeCreation(KafkaPermission::kDenied).fix,
              HasSubstr("--operation Create --topic a.billing.dead"));
  const Finding untold = JudgeCreation(KafkaPermission::kUnknown, "POLICY_VIOLATION");
  EXPECT_EQ(untold.verdict, Verdict::kWarning);
  EXPECT_THAT(untold.found, HasSubstr("POLICY_VIOLATION"));
}

TEST_F(DoctorDeadLettersTest, MissingTopicsThatNobodyMakesAreAWarning) {
  letters_.creates = false;

  const Finding row = JudgeCreation(KafkaPermission::kUnknown);

  EXPECT_EQ(row.verdict, Verdict::kWarning);
  EXPECT_THAT(row.found, AllOf(HasSubstr("a.billing.dead missing"), Not(HasSubstr("told"))));
}

TEST_F(DoctorDeadLettersTest, ThoseThatExistNeedWrite) {
  letters_.topics.push_back(Topic("b.billing.dead", Operations{kDescribe}));

  const Finding row = JudgeCreation(KafkaPermission::kGranted);

  EXPECT_EQ(row.verdict, Verdict::kFailed);
  EXPECT_EQ(row.found, "no Write on b.billing.dead");
}

TEST_F(DoctorDeadLettersTest, BothKindsAreCounted) {
  letters_.topics.push_back(Topic("b.billing.dead", Operations{kWrite}));

  EXPECT_EQ(JudgeCreation(KafkaPermission::kGranted).found,
            "Write on 1 topic; 1 topic made when needed");
}

TEST_F(DoctorDeadLettersTest, WithoutAGroupOnlyTheClusterCanBeAsked) {
  const KafkaOperations create = Operations{KafkaOperation::kCreate};

  EXPECT_EQ(JudgeDeadLettersOfAnyGroup(create, true).verdict, Verdict::kOk);
  EXPECT_EQ(JudgeDeadLettersOfAnyGroup(create, false).verdict, Verdict::kSkipped);
  EXPECT_EQ(JudgeDeadLettersOfAnyGroup(Operations{}, true).verdict, Verdict::kSkipped);
  EXPECT_EQ(JudgeDeadLettersOfAnyGroup(std::nullopt, true).verdict, Verdict::kSkipped);
}

class DoctorRedrivingTest : public ::testing::Test {
 protected:
  Finding Judge() const { return JudgeRedriving(letters_, targets_, readers_); }

  const std::string reader_ = "sidebus.redrive.a.billing.dead";
  DeadLetterTopics letters_{.group = "billing",
                            .topics = {Topic("a.billing.dead", Operations{kRead, kWrite})},
                            .missing = {}};
  std::vector<TopicFacts> targets_ = {Topic("a", Operations{kWrite}),
                                      Topic("b", Operations{kRead, kWrite})};
  std::vector<GroupFacts> readers_ = {Group(reader_, KafkaPermission::kGranted)};
};

TEST_F(DoctorRedrivingTest, ReadsLettersAsAGroupOfItsOwnAndWritesToTheirOrigins) {
  const Finding row = Judge();

  EXPECT_EQ(row.verdict, Verdict::kOk);
  EXPECT_EQ(row.found, "Read on 1 topic, Write on 2 topics, Read on 1 group");
  EXPECT_EQ(row.fix, "");
}

TEST_F(DoctorRedrivingTest, NeedsReadOnTheDeadLetterTopic) {
  letters_.topics = {Topic("a.billing.dead", Operations{kWrite})};

  const Finding row = Judge();

  EXPECT_EQ(row.verdict, Verdict::kWarning);
  EXPECT_THAT(row.fix, HasSubstr("--operation Read --topic a.billing.dead"));
}

TEST_F(DoctorRedrivingTest, NeedsWriteOnEveryTopicThatLettersCameFrom) {
  targets_[1] = Topic("b", Operations{kRead});

  const Finding row = Judge();

  EXPECT_EQ(row.verdict, Verdict::kWarning);
  EXPECT_EQ(row.found, "no Write on b");
  EXPECT_THAT(row.fix, HasSubstr("--operation Write --topic b"));
}

TEST_F(DoctorRedrivingTest, NeedsReadOnItsGroup) {
  readers_ = {Group(reader_, KafkaPermission::kDenied)};

  const Finding row = Judge();

  EXPECT_EQ(row.verdict, Verdict::kWarning);
  EXPECT_THAT(row.fix, HasSubstr("--operation Read --group " + reader_));
}

TEST_F(DoctorRedrivingTest, AllThatIsMissingIsNamed) {
  letters_.topics = {Topic("a.billing.dead", Operations{kWrite})};
  targets_ = {Topic("a", Operations{kRead})};

  const Finding row = Judge();

  EXPECT_EQ(row.found, "no Read on a.billing.dead, no Write on a");
  EXPECT_THAT(row.fix, AllOf(HasSubstr("--operation Read --topic a.billing.dead"),
                             HasSubstr("--operation Write --topic a ")));
}

TEST_F(DoctorRedrivingTest, NothingIsSaidOfAClusterThatDoesNotTell) {
  letters_.topics = {Topic("a.billing.dead", std::nullopt)};
  targets_ = {Topic("a", std::nullopt)};
  readers_ = {Group(reader_, KafkaPermission::kUnknown)};

  EXPECT_EQ(Judge().verdict, Verdict::kSkipped);
}

}  // namespace
}  // namespace sidebus
