#include "server/app/doctor_permissions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace sidebus {
namespace {

constexpr std::size_t kMostNames = 3;
constexpr std::string_view kUntold = "the cluster does not tell permissions";

KafkaPermission PermissionTo(KafkaOperation operation, const TopicFacts& topic) {
  if (topic.presence == TopicPresence::kDenied) return KafkaPermission::kDenied;
  if (!topic.operations.has_value()) return KafkaPermission::kUnknown;
  return topic.operations->contains(operation) ? KafkaPermission::kGranted
                                               : KafkaPermission::kDenied;
}

// How topics (or others) are spread over the three answers, by name.
struct Sorted {
  std::vector<std::string> granted;
  std::vector<std::string> denied;
  std::vector<std::string> unknown;

  void Add(std::string name, KafkaPermission permission) {
    (permission == KafkaPermission::kGranted  ? granted
     : permission == KafkaPermission::kDenied ? denied
                                              : unknown)
        .push_back(std::move(name));
  }
};

Sorted SortBy(KafkaOperation operation, const std::vector<TopicFacts>& topics) {
  Sorted sorted;
  for (const TopicFacts& topic : topics) {
    if (topic.presence == TopicPresence::kMissing) continue;  // has a row of its own
    sorted.Add(topic.name, PermissionTo(operation, topic));
  }
  return sorted;
}

// "a, b, c and 4 more"
std::string Some(const std::vector<std::string>& names) {
  if (names.size() <= kMostNames) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{} and {} more", fmt::join(names.begin(), names.begin() + kMostNames, ", "),
                     names.size() - kMostNames);
}

// `what` is --topic, --group; many of them share a prefix, which is a hint worth giving.
std::string Grant(std::string_view operation, std::string_view what,
                  const std::vector<std::string>& names) {
  return fmt::format(
      "kafka-acls.sh --add --allow-principal User:NAME --operation {} {} {}{} "
      "(deploy/permissions.md)",
      operation, what, names.front(), names.size() > 1 ? ", likewise the others" : "");
}

Finding JudgeTopics(Finding row, KafkaOperation operation, std::string_view name,
                    const std::vector<TopicFacts>& topics, Verdict bad) {
  const Sorted sorted = SortBy(operation, topics);
  if (!sorted.denied.empty()) {
    row.verdict = bad;
    row.found = fmt::format("no {} on {}", name, Some(sorted.denied));
    row.fix = Grant(name, "--topic", sorted.denied);
  } else if (sorted.granted.empty()) {
    row.verdict = Verdict::kSkipped;
    row.found = sorted.unknown.empty() ? "there is no topic to ask about" : kUntold;
  } else {
    row.found = fmt::format("{} on {}", name, CountOf(sorted.granted.size(), "topic"));
    if (!sorted.unknown.empty()) row.found += "; not told of " + Some(sorted.unknown);
  }
  return row;
}

Finding JudgeReaders(Finding row, const std::vector<GroupFacts>& readers) {
  Sorted sorted;
  for (const GroupFacts& group : readers) sorted.Add(group.name, group.may_read);
  if (!sorted.denied.empty()) {
    row.verdict = Verdict::kWarning;
    row.found = fmt::format("no Read on group {}", Some(sorted.denied));
    row.fix = Grant("Read", "--group", sorted.denied);
  } else if (sorted.granted.empty()) {
    row.verdict = Verdict::kSkipped;
    row.found = kUntold;
  } else {
    row.found = fmt::format("Read on {}", CountOf(sorted.granted.size(), "group"));
  }
  return row;
}

// One row of several that are warnings, fine, or skipped: all warnings, else all that is fine.
Finding Together(const std::vector<Finding>& parts) {
  for (const Verdict verdict : {Verdict::kWarning, Verdict::kOk}) {
    std::vector<std::string> found;
    std::vector<std::string> fixes;
    for (const Finding& part : parts) {
      if (part.verdict != verdict) continue;
      found.push_back(part.found);
      if (!part.fix.empty()) fixes.push_back(part.fix);
    }
    if (found.empty()) continue;
    return {parts.front().check, parts.front().subject, verdict,
            fmt::format("{}", fmt::join(found, ", ")), fmt::format("{}", fmt::join(fixes, "; "))};
  }
  return parts.front();
}

}  // namespace

Finding JudgePublishing(const std::vector<TopicFacts>& topics) {
  return JudgeTopics({"publish", "", Verdict::kOk, "", ""}, KafkaOperation::kWrite, "Write", topics,
                     Verdict::kFailed);
}

Finding JudgeSubscribing(const std::vector<TopicFacts>& topics, bool surely) {
  Finding row = JudgeTopics({"subscribe", "", Verdict::kOk, "", ""}, KafkaOperation::kRead, "Read",
                            topics, surely ? Verdict::kFailed : Verdict::kWarning);
  if (row.verdict == Verdict::kWarning) row.fix += "; where nobody subscribes it is not needed";
  return row;
}

Finding JudgeGroup(const GroupFacts& group) {
  Finding row{"group", group.name, Verdict::kOk, "", ""};
  switch (group.may_read) {
    case KafkaPermission::kGranted:
      row.found = group.exists
                      ? fmt::format("Read; it has {}", CountOf(group.members, "member"))
                      : "Read; it does not exist yet, and is made when somebody subscribes";
      break;
    case KafkaPermission::kDenied:
      row.verdict = Verdict::kFailed;
      row.found = "no Read on the group";
      row.fix = Grant("Read", "--group", {group.name});
      break;
    case KafkaPermission::kUnknown:
      row.verdict = group.error.empty() ? Verdict::kSkipped : Verdict::kWarning;
      row.found = group.error.empty() ? "no answer in time" : "not told: " + group.error;
      row.fix = group.error.empty() ? "" : "look at the brokers, and try again";
      break;
  }
  return row;
}

Finding JudgeBroadcast(const GroupFacts& group) {
  Finding row{"broadcast", "", Verdict::kOk, fmt::format("Describe on group {}", group.name), ""};
  if (group.may_describe == KafkaPermission::kDenied) {
    row.verdict = Verdict::kWarning;
    row.found = fmt::format("no Describe on group {}", group.name);
    row.fix = Grant("Describe", "--group", {group.name}) +
              "; needed by subscribers without a group and to list dead letters only";
  } else if (group.may_describe == KafkaPermission::kUnknown) {
    row.verdict = Verdict::kSkipped;
    row.found = group.error.empty() ? "no answer in time" : "not told: " + group.error;
  }
  return row;
}

Finding JudgeDeadLetters(const DeadLetterTopics& letters) {
  Finding row = JudgeTopics({"dead_letters", letters.group, Verdict::kOk, "", ""},
                            KafkaOperation::kWrite, "Write", letters.topics, Verdict::kFailed);
  if (row.verdict == Verdict::kFailed || letters.missing.empty()) return row;
  Sorted creation;
  for (const NewTopicFacts& topic : letters.missing) creation.Add(topic.name, topic.may_create);
  const bool all_missing = letters.missing.size() == letters.topics.size();
  const std::string before = all_missing ? "" : row.found + "; ";
  if (!letters.creates) {
    std::vector<std::string> names = std::move(creation.granted);
    for (auto* more : {&creation.denied, &creation.unknown}) {
      names.insert(names.end(), more->begin(), more->end());
    }
    row.verdict = Verdict::kWarning;
    row.found = fmt::format("{}{} missing, and dead_letter.create is false", before, Some(names));
    row.fix = "make them: letters wait until they exist, and hold back what is behind them";
  } else if (!creation.denied.empty()) {
    row.verdict = Verdict::kFailed;
    row.found = fmt::format("{}{} missing, and may not be made", before, Some(creation.denied));
    row.fix = Grant("Create", "--topic", creation.denied) + ", or make them";
  } else if (!creation.unknown.empty()) {
    const std::string& why = letters.missing.front().error;
    row.verdict = Verdict::kWarning;
    row.found = fmt::format("{}{} missing, and whether they may be made is not told{}", before,
                            Some(creation.unknown), why.empty() ? "" : ": " + why);
    row.fix = "make them, or look why Kafka does not say";
  } else {
    row.verdict = Verdict::kOk;
    row.found =
        fmt::format("{}{} made when needed", before, CountOf(creation.granted.size(), "topic"));
  }
  return row;
}

Finding JudgeDeadLettersOfAnyGroup(const KafkaOperations& on_cluster, bool creates) {
  if (creates && on_cluster.has_value() && on_cluster->contains(KafkaOperation::kCreate)) {
    return {"dead_letters", "", Verdict::kOk, "Create on the cluster: topics are made when needed",
            ""};
  }
  return {"dead_letters", "", Verdict::kSkipped,
          "their topics are named after groups: name some with --group", ""};
}

Finding JudgeRedriving(const DeadLetterTopics& letters, const std::vector<TopicFacts>& targets,
                       const std::vector<GroupFacts>& readers) {
  const Finding row{"redrive", letters.group, Verdict::kOk, "", ""};
  return Together(
      {JudgeTopics(row, KafkaOperation::kRead, "Read", letters.topics, Verdict::kWarning),
       JudgeTopics(row, KafkaOperation::kWrite, "Write", targets, Verdict::kWarning),
       JudgeReaders(row, readers)});
}

}  // namespace sidebus
