#include "server/broker/kafka/kafka_inspector.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "server/base/check.h"
#include "server/broker/kafka/cluster_answers.h"
#include "server/broker/kafka/connection_text.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/kafka_log.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

constexpr int kSliceMs = 20;
constexpr Duration kAskAgainGroups = std::chrono::milliseconds(100);
// A request to a coordinator that ends by itself may abort the process (AdminRequests): this one never
// does, and nobody waits for it longer than he wants to.
constexpr int kNeverMs = 3600 * 1000;

// librdkafka tries one address of a name at a time, and "localhost" has two.
constexpr Duration kSurelyRefused = std::chrono::seconds(1);

// No topic of anybody's.
constexpr const char* kNoTopic = "sidebus-doctor-asks.there-is-no-such-topic";

using AskedTopics =
    std::unique_ptr<rd_kafka_TopicCollection_t, CDeleter<rd_kafka_TopicCollection_destroy>>;
using WantedTopic = std::unique_ptr<rd_kafka_NewTopic_t, CDeleter<rd_kafka_NewTopic_destroy>>;
using ConfigResource =
    std::unique_ptr<rd_kafka_ConfigResource_t, CDeleter<rd_kafka_ConfigResource_destroy>>;
using MovedGroup = std::unique_ptr<rd_kafka_AlterConsumerGroupOffsets_t,
                                   CDeleter<rd_kafka_AlterConsumerGroupOffsets_destroy>>;

int MillisecondsUntil(SteadyTime until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 1, kNeverMs));
}

// A line of the log begins with "[thrd:name]: ".
std::string_view WithoutThread(std::string_view line) {
  const std::size_t end = line.find("]: ");
  return line.starts_with("[thrd:") && end != std::string_view::npos ? line.substr(end + 3) : line;
}

// Passes by itself: a group's coordinator is being found, or made.
bool PassesSoon(const GroupFacts& group) {
  return group.error == "NOT_COORDINATOR" || group.error == "COORDINATOR_NOT_AVAILABLE" ||
         group.error == "COORDINATOR_LOAD_IN_PROGRESS";
}

// Those that were not asked, or are to be asked again.
std::vector<GroupFacts*> Open(std::vector<GroupFacts>& groups) {
  std::vector<GroupFacts*> open;
  for (GroupFacts& group : groups) {
    const bool is_new = group.may_describe == KafkaPermission::kUnknown && group.error.empty();
    if (is_new || PassesSoon(group)) open.push_back(&group);
  }
  return open;
}

void AskForOperations(const KafkaAdminOptions& options) {
  LogKafkaError("asking for permissions",
                rd_kafka_AdminOptions_set_include_authorized_operations(options.get(), 1));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KafkaInspector>> KafkaInspector::Make(
    const KafkaBrokerOptions& options) {
  std::unique_ptr<KafkaInspector> inspector(new KafkaInspector());
  KafkaLog unused("doctor");  // the lines are read here
  absl::StatusOr<KafkaConf> conf = MakeAdminConf(options, unused);
  if (!conf.ok()) return conf.status();
  rd_kafka_conf_set_opaque(conf->get(), inspector.get());
  rd_kafka_conf_set_log_cb(conf->get(), &KafkaInspector::OnLog);
  rd_kafka_conf_set_error_cb(conf->get(), &KafkaInspector::OnError);
  // What brokers can do librdkafka tells nobody but its log.
  const rd_kafka_conf_res_t set = rd_kafka_conf_set(conf->get(), "debug", "feature", nullptr, 0);
  SIDEBUS_CHECK(set == RD_KAFKA_CONF_OK);
  absl::StatusOr<KafkaClient> client = MakeClient(RD_KAFKA_PRODUCER, *std::move(conf));
  if (!client.ok()) return client.status();
  inspector->client_ = *std::move(client);
  inspector->queue_.reset(rd_kafka_queue_new(inspector->client_.get()));
  return inspector;
}

KafkaAdminOptions KafkaInspector::Options(rd_kafka_admin_op_t request, int timeout_ms,
                                          RequestId id) {
  KafkaAdminOptions options(rd_kafka_AdminOptions_new(client_.get(), request));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, nullptr, 0);
  rd_kafka_AdminOptions_set_opaque(options.get(), reinterpret_cast<void*>(id));
  return options;
}

KafkaEvent KafkaInspector::Await(RequestId id, SteadyTime until, bool or_refused) {
  while (true) {
    rd_kafka_poll(client_.get(), 0);  // OnError
    KafkaEvent event(rd_kafka_queue_poll(queue_.get(), kSliceMs));
    if (event != nullptr) {
      const auto answered = reinterpret_cast<RequestId>(rd_kafka_event_opaque(event.get()));
      answers_.emplace(answered, std::move(event));
    }
    if (auto answer = answers_.extract(id); !answer.empty()) return std::move(answer.mapped());
    const SteadyTime now = Now();
    const bool refused =
        all_refused_since_.has_value() && now >= *all_refused_since_ + kSurelyRefused;
    if (now >= until || (or_refused && refused)) return nullptr;
  }
}

ClusterFacts KafkaInspector::AskCluster(SteadyTime until) {
  const RequestId id = ++last_id_;
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_DESCRIBECLUSTER, MillisecondsUntil(until), id);
  AskForOperations(options);
  rd_kafka_DescribeCluster(client_.get(), options.get(), queue_.get());
  const KafkaEvent event = Await(id, until, true);

  ClusterFacts facts;
  if (event == nullptr || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    facts.problem = problem_;
    facts.detail = detail_;
    // Of a broker that hangs up after it was connected to, only the log tells.
    MutexLock lock(mu_);
    if (problem_ < ConnectProblem::kListener && !other_listener_.empty()) {
      facts.problem = ConnectProblem::kListener;
      facts.detail = other_listener_;
    }
    if (event != nullptr && facts.detail.empty()) {
      facts.detail = ErrorNameOf(rd_kafka_event_error(event.get()));
    }
    return facts;
  }
  ReadCluster(event.get(), facts);
  return facts;
}

std::vector<TopicFacts> KafkaInspector::AskTopics(const std::vector<std::string>& topics,
                                                  SteadyTime until) {
  std::vector<TopicFacts> facts;
  std::vector<const char*> names;
  for (const std::string& topic : topics) {
    facts.push_back({.name = topic});
    names.push_back(topic.c_str());
  }
  if (topics.empty()) return facts;
  const AskedTopics collection(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const RequestId id = ++last_id_;
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, MillisecondsUntil(until), id);
  AskForOperations(options);
  rd_kafka_DescribeTopics(client_.get(), collection.get(), options.get(), queue_.get());
  const KafkaEvent event = Await(id, until);
  if (event == nullptr) return facts;
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get())) {
    for (TopicFacts& topic : facts) topic.error = ErrorNameOf(error);
    return facts;
  }
  std::size_t count = 0;
  const rd_kafka_TopicDescription_t** const described = rd_kafka_DescribeTopics_result_topics(
      rd_kafka_event_DescribeTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = std::ranges::find(
        facts, std::string_view(rd_kafka_TopicDescription_name(described[i])), &TopicFacts::name);
    if (found != facts.end()) ReadTopic(described[i], *found);
  }
  AskTopicConfigs(facts, until);
  return facts;
}

void KafkaInspector::AskTopicConfigs(std::vector<TopicFacts>& topics, SteadyTime until) {
  std::vector<ConfigResource> owned;
  std::vector<rd_kafka_ConfigResource_t*> resources;
  for (const TopicFacts& topic : topics) {
    if (topic.presence != TopicPresence::kThere) continue;
    owned.emplace_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.name.c_str()));
    resources.push_back(owned.back().get());
  }
  if (resources.empty()) return;
  const RequestId id = ++last_id_;
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, MillisecondsUntil(until), id);
  rd_kafka_DescribeConfigs(client_.get(), resources.data(), resources.size(), options.get(),
                           queue_.get());
  const KafkaEvent event = Await(id, until);
  if (event == nullptr || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return;
  std::size_t count = 0;
  const rd_kafka_ConfigResource_t** const described = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = std::ranges::find(
        topics, std::string_view(rd_kafka_ConfigResource_name(described[i])), &TopicFacts::name);
    if (found != topics.end()) ReadTopicConfigs(described[i], *found);
  }
}

KafkaInspector::RequestId KafkaInspector::SendDescribeGroup(const std::string& group) {
  const RequestId id = ++last_id_;
  const char* name = group.c_str();
  const KafkaAdminOptions options = Options(RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, kNeverMs, id);
  AskForOperations(options);
  rd_kafka_DescribeConsumerGroups(client_.get(), &name, 1, options.get(), queue_.get());
  return id;
}

KafkaInspector::RequestId KafkaInspector::SendReadProbe(const std::string& group) {
  const RequestId id = ++last_id_;
  const KafkaPartitionList list = MakePartitionList();
  AddTo(list, kNoTopic, 0, 0);
  const MovedGroup request(rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), list.get()));
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, kNeverMs, id);
  std::array<rd_kafka_AlterConsumerGroupOffsets_t*, 1> requests = {request.get()};
  rd_kafka_AlterConsumerGroupOffsets(client_.get(), requests.data(), requests.size(), options.get(),
                                     queue_.get());
  return id;
}

std::vector<GroupFacts> KafkaInspector::AskGroups(const std::vector<std::string>& groups,
                                                  SteadyTime until) {
  std::vector<GroupFacts> facts;
  for (const std::string& group : groups) facts.push_back({.name = group});
  for (std::vector<GroupFacts*> open = Open(facts); !open.empty(); open = Open(facts)) {
    AskGroupsOnce(open, until);
    if (Now() + kAskAgainGroups >= until) break;
    Await(0, Now() + kAskAgainGroups);
  }
  return facts;
}

void KafkaInspector::AskGroupsOnce(const std::vector<GroupFacts*>& groups, SteadyTime until) {
  std::map<GroupFacts*, RequestId> asked;
  for (GroupFacts* group : groups) {
    *group = GroupFacts{.name = group->name};
    asked[group] = SendDescribeGroup(group->name);
  }
  for (const auto& [group, id] : asked) {
    if (const KafkaEvent event = Await(id, until)) ReadGroup(event.get(), *group);
  }
  // Of a group that it does not have, Kafka 4 tells no permissions.
  std::erase_if(asked, [](const auto& one) {
    return one.first->may_read != KafkaPermission::kUnknown || !one.first->error.empty();
  });
  for (auto& [group, id] : asked) id = SendReadProbe(group->name);
  for (const auto& [group, id] : asked) {
    if (const KafkaEvent event = Await(id, until)) ReadGroupProbe(event.get(), *group);
  }
}

std::vector<NewTopicFacts> KafkaInspector::AskCreation(std::vector<NewTopicFacts> topics,
                                                       SteadyTime until) {
  std::vector<WantedTopic> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  for (const NewTopicFacts& topic : topics) {
    owned.emplace_back(
        rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, topic.replicas, nullptr, 0));
    if (owned.back() != nullptr) wanted.push_back(owned.back().get());
  }
  if (wanted.empty()) return topics;
  const RequestId id = ++last_id_;
  const KafkaAdminOptions options =
      Options(RD_KAFKA_ADMIN_OP_CREATETOPICS, MillisecondsUntil(until), id);
  rd_kafka_AdminOptions_set_validate_only(options.get(), 1, nullptr, 0);
  rd_kafka_CreateTopics(client_.get(), wanted.data(), wanted.size(), options.get(), queue_.get());
  const KafkaEvent event = Await(id, until);
  if (event == nullptr) return topics;
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event.get())) {
    for (NewTopicFacts& topic : topics) topic.error = ErrorNameOf(error);
    return topics;
  }
  std::size_t count = 0;
  const rd_kafka_topic_result_t** const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = std::ranges::find(
        topics, std::string_view(rd_kafka_topic_result_name(results[i])), &NewTopicFacts::name);
    if (found != topics.end()) ReadCreation(results[i], *found);
  }
  return topics;
}

KafkaApis KafkaInspector::apis() const {
  MutexLock lock(mu_);
  KafkaApis all;
  bool first = true;
  for (const auto& [broker, apis] : apis_) {
    if (std::exchange(first, false)) {
      all = apis;
      continue;
    }
    std::erase_if(all, [&apis = apis](const auto& one) { return !apis.contains(one.first); });
    for (auto& [request, highest] : all) highest = std::min(highest, apis.at(request));
  }
  return all;
}

void KafkaInspector::NoteProblem(rd_kafka_resp_err_t error, std::string_view text) {
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
    if (!all_refused_since_.has_value()) all_refused_since_ = Now();
    return;
  }
  const ConnectProblem problem = ConnectProblemOf(error, text);
  if (problem == ConnectProblem::kNone || (problem <= problem_ && !detail_.empty())) return;
  problem_ = problem;
  detail_ = ConnectDetailOf(text);
}

void KafkaInspector::OnError(rd_kafka_t*, int error, const char* text, void* self) {
  static_cast<KafkaInspector*>(self)->NoteProblem(static_cast<rd_kafka_resp_err_t>(error), text);
}

void KafkaInspector::OnLog(const rd_kafka_t* client, int, const char* facility, const char* text) {
  auto* const self = static_cast<KafkaInspector*>(rd_kafka_opaque(client));
  if (std::string_view(facility) == "FAIL") {
    if (!SaysOtherListener(text)) return;
    MutexLock lock(self->mu_);
    self->other_listener_ = ConnectDetailOf(WithoutThread(text));
    return;
  }
  const std::optional<ApiLine> line = ReadApiLine(text);
  if (std::string_view(facility) != "APIVERSION" || !line.has_value()) return;
  MutexLock lock(self->mu_);
  self->apis_[line->broker][line->request] = line->highest;
}

}  // namespace sidebus
