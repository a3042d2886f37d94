#pragma once

#include <string>
#include <vector>

#include "server/app/doctor_finding.h"
#include "server/broker/kafka/cluster_facts.h"

namespace sidebus {

// What is thought of the permissions of the gateway's Kafka user, feature by feature, as
// deploy/permissions.md lists them: functions of values.

// `topics`: those of enabled routes.
Finding JudgePublishing(const std::vector<TopicFacts>& topics);

// `surely`: somebody will subscribe, so that what is missing is a failure.
Finding JudgeSubscribing(const std::vector<TopicFacts>& topics, bool surely);

Finding JudgeGroup(const GroupFacts& group);

// What consumers without a group need: of subscribers without one, and of lists of dead letters.
Finding JudgeBroadcast(const GroupFacts& group);

// The dead-letter topics of one group, or with an empty name those of all.
struct DeadLetterTopics {
  std::string group;
  std::vector<TopicFacts> topics;
  std::vector<NewTopicFacts> missing;  // those of them that do not exist
  bool creates = true;                 // dead_letter.create
};
Finding JudgeDeadLetters(const DeadLetterTopics& letters);

// The same where no group is named: only whether topics may be made at all can be told.
Finding JudgeDeadLettersOfAnyGroup(const KafkaOperations& on_cluster, bool creates);

// Redriving what is in them. `targets`: where it may have come from, also topics that this gateway
// does not publish to. `readers`: the groups that the redrives read as.
Finding JudgeRedriving(const DeadLetterTopics& letters, const std::vector<TopicFacts>& targets,
                       const std::vector<GroupFacts>& readers);

}  // namespace sidebus
