#include "server/broker/kafka/admin_requests.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "server/base/check.h"
#include "server/broker/kafka/kafka_error.h"

namespace sidebus {
namespace {

// The longest that librdkafka takes. A request that waits for its coordinator when its time is over
// aborts the process in librdkafka 2.15.1 (eonce->refcnt > 0), or is never answered; broken
// connections and refusals end requests all the same.
constexpr int kCoordinatorTimeoutMs = 3600 * 1000;
constexpr int kBrokerTimeoutMs = 5'000;
constexpr Duration kAskAgainAfter = std::chrono::seconds(10);
constexpr Duration kAskAgainAtLeastEvery = std::chrono::seconds(20);

// Asked for, to learn whether a broker answers. What the answer says does not matter.
constexpr const char* kProbe = "sidebus-probe";

constexpr std::int64_t kNoSuchRecord = -1;  // what a broker says of a time after the last record

constexpr std::string_view kNoTopicId = "AAAAAAAAAAAAAAAAAAAAAA";  // a UUID of zeros

struct Groups {
  const rd_kafka_group_result_t** results = nullptr;
  std::size_t count = 0;
};

KafkaPartitionList ListOf(const std::vector<PartitionOffset>& partitions) {
  KafkaPartitionList list = MakePartitionList();
  for (const PartitionOffset& one : partitions) {
    rd_kafka_topic_partition_t& entry = AddTo(list, one.topic, one.partition, one.offset);
    if (one.metadata.empty()) continue;
    // The list frees it.
    entry.metadata = std::malloc(one.metadata.size());
    SIDEBUS_CHECK(entry.metadata != nullptr);
    std::memcpy(entry.metadata, one.metadata.data(), one.metadata.size());
    entry.metadata_size = one.metadata.size();
  }
  return list;
}

std::vector<PartitionOffset> PartitionsOf(const rd_kafka_topic_partition_list_t* list) {
  std::vector<PartitionOffset> partitions;
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& one = list->elems[i];
    partitions.push_back({one.topic, one.partition, one.offset < 0 ? -1 : one.offset, one.err,
                          std::string(static_cast<const char*>(one.metadata), one.metadata_size)});
  }
  return partitions;
}

void Read(const Groups& groups, AdminRequests::Answer& answer) {
  if (groups.count != 1) return;
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups.results[0])) {
    answer.error = rd_kafka_error_code(error);
  }
  answer.partitions = PartitionsOf(rd_kafka_group_result_partitions(groups.results[0]));
}

void ReadTopics(rd_kafka_event_t* event, AdminRequests::Answer& answer) {
  std::size_t count = 0;
  const rd_kafka_TopicDescription_t** topics =
      rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_error_t* const error = rd_kafka_TopicDescription_error(topics[i]);
    const rd_kafka_resp_err_t code =
        error == nullptr ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
    std::size_t partitions = 0;
    rd_kafka_TopicDescription_partitions(topics[i], &partitions);
    const char* const name = rd_kafka_TopicDescription_name(topics[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      answer.topics[name] = static_cast<int>(partitions);
      const std::string id = rd_kafka_Uuid_base64str(rd_kafka_TopicDescription_topic_id(topics[i]));
      if (id != kNoTopicId) answer.topic_ids[name] = id;
    } else if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
      answer.partitions.push_back({name, -1, -1, code});
    } else if (!SaysTopicIsMissing(code)) {
      answer.error = code;  // passes: a topic that has no leaders yet exists
    }
  }
}

GroupMember MemberOf(const rd_kafka_MemberDescription_t* description) {
  GroupMember member;
  member.id = rd_kafka_MemberDescription_consumer_id(description);
  std::string_view host = rd_kafka_MemberDescription_host(description);
  if (host.starts_with('/')) host.remove_prefix(1);  // Java's way to write an address
  member.name = fmt::format("{} ({})", rd_kafka_MemberDescription_client_id(description), host);
  const rd_kafka_MemberAssignment_t* const assignment =
      rd_kafka_MemberDescription_assignment(description);
  if (assignment == nullptr) return member;
  for (const PartitionOffset& one :
       PartitionsOf(rd_kafka_MemberAssignment_partitions(assignment))) {
    member.partitions.emplace_back(one.topic, one.partition);
  }
  return member;
}

void ReadMembers(rd_kafka_event_t* event, AdminRequests::Answer& answer) {
  std::size_t count = 0;
  const rd_kafka_ConsumerGroupDescription_t** groups =
      rd_kafka_DescribeConsumerGroups_result_groups(
          rd_kafka_event_DescribeConsumerGroups_result(event), &count);
  if (count != 1) return;
  if (const rd_kafka_error_t* error = rd_kafka_ConsumerGroupDescription_error(groups[0])) {
    answer.error = rd_kafka_error_code(error);
    if (answer.error == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) answer.error = {};
    return;
  }
  const std::size_t members = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
  for (std::size_t i = 0; i < members; ++i) {
    answer.members.push_back(MemberOf(rd_kafka_ConsumerGroupDescription_member(groups[0], i)));
  }
}

void ReadOffsets(rd_kafka_event_t* event, AdminRequests::Answer& answer) {
  std::size_t count = 0;
  const rd_kafka_ListOffsetsResultInfo_t** infos =
      rd_kafka_ListOffsets_result_infos(rd_kafka_event_ListOffsets_result(event), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_topic_partition_t* const one =
        rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    // A connection that breaks under way leaves the offset invalid and the error empty (2.15.1); only
    // "no record that young" is an answer below zero.
    const rd_kafka_resp_err_t error =
        one->err == RD_KAFKA_RESP_ERR_NO_ERROR && one->offset < kNoSuchRecord
            ? RD_KAFKA_RESP_ERR__TRANSPORT
            : one->err;
    answer.partitions.push_back({one->topic, one->partition, one->offset, error});
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) answer.error = error;
  }
}

}  // namespace

std::uintptr_t AdminRequests::Await(Then then) {
  waiting_.emplace(++last_id_, Waiting{std::move(then)});
  return last_id_;
}

KafkaAdminOptions AdminRequests::Options(rd_kafka_admin_op_t request, int timeout_ms,
                                         std::uintptr_t id) {
  KafkaAdminOptions options(rd_kafka_AdminOptions_new(client_, request));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, nullptr, 0);
  // The id, not a pointer: an answer to a dropped request then finds nobody.
  rd_kafka_AdminOptions_set_opaque(options.get(), reinterpret_cast<void*>(id));
  return options;
}

void AdminRequests::WhenReachable(absl::AnyInvocable<void()> send) {
  if (!unreachable_) return send();
  held_.push_back(std::move(send));
  if (held_.size() == 1) Probe();
}

void AdminRequests::Probe() {
  GroupPositions(group_.empty() ? kProbe : group_, {{kProbe, 0, -1, {}}}, [this](const Answer&) {
    unreachable_ = false;
    for (auto& held : std::exchange(held_, {})) held();
  });
}

void AdminRequests::Describe(const std::vector<std::string>& topics, Then then) {
  WhenReachable(
      [this, topics, then = std::move(then)]() mutable { SendDescribe(topics, std::move(then)); });
}

void AdminRequests::Offsets(const std::vector<PartitionOffset>& wanted, Then then) {
  WhenReachable(
      [this, wanted, then = std::move(then)]() mutable { SendOffsets(wanted, std::move(then)); });
}

void AdminRequests::SendDescribe(const std::vector<std::string>& topics, Then then) {
  std::vector<const char*> names;
  for (const std::string& topic : topics) names.push_back(topic.c_str());
  const std::unique_ptr<rd_kafka_TopicCollection_t, CDeleter<rd_kafka_TopicCollection_destroy>>
      collection(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, kBrokerTimeoutMs, Await(std::move(then)));
  rd_kafka_DescribeTopics(client_, collection.get(), options.get(), queue_);
}

std::int64_t AdminRequests::SpecOf(SystemTime time) {
  return std::max<std::int64_t>(
      0, std::chrono::ceil<std::chrono::milliseconds>(time.time_since_epoch()).count());
}

void AdminRequests::DescribeGroup(const std::string& group, Then then) {
  const char* name = group.c_str();
  const KafkaAdminOptions options = Options(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS,
                                            kCoordinatorTimeoutMs, Await(std::move(then)));
  rd_kafka_DescribeConsumerGroups(client_, &name, 1, options.get(), queue_);
}

void AdminRequests::GroupPositions(const std::string& group,
                                   const std::vector<PartitionOffset>& partitions, Then then) {
  const std::uintptr_t id = Await(std::move(then));
  Waiting& waiting = waiting_.at(id);
  waiting.group = group;
  waiting.partitions = partitions;
  waiting.pause = kAskAgainAfter;
  SendGroupPositions(id);
}

void AdminRequests::SendGroupPositions(std::uintptr_t id) {
  const Waiting& waiting = waiting_.at(id);
  const KafkaPartitionList list = ListOf(waiting.partitions);
  rd_kafka_ListConsumerGroupOffsets_t* request = rd_kafka_ListConsumerGroupOffsets_new(
      waiting.group.c_str(), waiting.partitions.empty() ? nullptr : list.get());
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, kCoordinatorTimeoutMs, id);
  rd_kafka_ListConsumerGroupOffsets(client_, &request, 1, options.get(), queue_);
  rd_kafka_ListConsumerGroupOffsets_destroy(request);
}

void AdminRequests::SetGroupPositions(const std::string& group,
                                      const std::vector<PartitionOffset>& positions, Then then) {
  const KafkaPartitionList list = ListOf(positions);
  rd_kafka_AlterConsumerGroupOffsets_t* request =
      rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), list.get());
  const KafkaAdminOptions options = Options(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
                                            kCoordinatorTimeoutMs, Await(std::move(then)));
  rd_kafka_AlterConsumerGroupOffsets(client_, &request, 1, options.get(), queue_);
  rd_kafka_AlterConsumerGroupOffsets_destroy(request);
}

void AdminRequests::SendOffsets(const std::vector<PartitionOffset>& wanted, Then then) {
  const KafkaPartitionList list = ListOf(wanted);
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_LISTOFFSETS, kBrokerTimeoutMs, Await(std::move(then)));
  KafkaErrorHandle(rd_kafka_AdminOptions_set_isolation_level(
      options.get(), RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED));
  rd_kafka_ListOffsets(client_, list.get(), options.get(), queue_);
}

void AdminRequests::Commit(const std::vector<PartitionOffset>& positions, Then then) {
  const KafkaPartitionList list = ListOf(positions);
  const std::uintptr_t id = Await(std::move(then));
  const rd_kafka_resp_err_t refused =
      rd_kafka_commit_queue(client_, list.get(), queue_, nullptr, reinterpret_cast<void*>(id));
  if (refused == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  auto node = waiting_.extract(id);
  node.mapped().then(Answer{.error = refused});
}

void AdminRequests::Serve(SteadyTime now) {
  while (const KafkaEvent event{rd_kafka_queue_poll(queue_, 0)}) OnEvent(event.get());
  AskAgain(now);
}

void AdminRequests::AskAgain(SteadyTime now) {
  for (auto& [id, waiting] : waiting_) {
    if (waiting.pause == Duration::zero()) continue;
    const bool is_new = waiting.again_at == SteadyTime{};
    if (!is_new && now < waiting.again_at) continue;
    if (!is_new) {
      SendGroupPositions(id);
      waiting.pause = std::min(2 * waiting.pause, kAskAgainAtLeastEvery);
    }
    waiting.again_at = now + waiting.pause;
  }
}

void AdminRequests::OnEvent(rd_kafka_event_t* event) {
  auto node = waiting_.extract(reinterpret_cast<std::uintptr_t>(rd_kafka_event_opaque(event)));
  if (node.empty()) return;
  Answer answer;
  answer.error = rd_kafka_event_error(event);
  if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR) {
    Groups groups;
    switch (rd_kafka_event_type(event)) {
      case RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT:
        ReadTopics(event, answer);
        break;
      case RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT:
        ReadMembers(event, answer);
        break;
      case RD_KAFKA_EVENT_LISTCONSUMERGROUPOFFSETS_RESULT:
        groups.results = rd_kafka_ListConsumerGroupOffsets_result_groups(
            rd_kafka_event_ListConsumerGroupOffsets_result(event), &groups.count);
        Read(groups, answer);
        break;
      case RD_KAFKA_EVENT_ALTERCONSUMERGROUPOFFSETS_RESULT:
        groups.results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
            rd_kafka_event_AlterConsumerGroupOffsets_result(event), &groups.count);
        Read(groups, answer);
        break;
      case RD_KAFKA_EVENT_LISTOFFSETS_RESULT:
        ReadOffsets(event, answer);
        break;
      default:  // a commit
        answer.partitions = PartitionsOf(rd_kafka_event_topic_partition_list(event));
        break;
    }
    for (const PartitionOffset& one : answer.partitions) {
      if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR && one.partition >= 0) {
        answer.error = one.error;
      }
    }
  }
  node.mapped().then(std::move(answer));
}

}  // namespace sidebus
