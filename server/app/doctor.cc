#include "server/app/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/app/doctor_kafka.h"
#include "server/app/doctor_machine.h"
#include "server/app/doctor_reach.h"
#include "server/app/doctor_surroundings.h"
#include "server/app/options.h"
#include "server/app/outside_options.h"
#include "server/codec/schema_names.h"
#include "server/config/kafka_properties.h"
#include "server/operate/redrive_job.h"
#include "server/subscribe/dead_letters.h"

namespace sidebus {
namespace {

constexpr char kGroupsFile[] = "/proc/self/cgroup";
constexpr char kGroupsMount[] = "/sys/fs/cgroup";

// librdkafka's words hold no secrets; should a broker repeat one, it stays here.
std::string WithoutSecrets(std::string text, const std::map<std::string, std::string>& properties) {
  for (const auto& [name, value] : properties) {
    if (value.empty() || !IsSecretProperty(name)) continue;
    for (std::size_t at = text.find(value); at != std::string::npos; at = text.find(value, at)) {
      text.replace(at, value.size(), "***");
      at += 3;
    }
  }
  return text;
}

std::vector<Reach> ReachAll(const std::vector<std::string>& servers, SteadyTime until) {
  std::vector<std::future<Reach>> futures = StartReaching(servers, until);
  std::vector<Reach> reaches;
  for (std::future<Reach>& future : futures) reaches.push_back(Reached(future, until));
  return reaches;
}

std::string AddressOf(const BrokerFacts& broker) {
  const bool is_v6 = broker.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", broker.host, broker.port)
               : fmt::format("{}:{}", broker.host, broker.port);
}

}  // namespace

Doctor::Doctor(const Config& config, std::vector<std::string> groups, Duration time, Tell tell)
    : config_(config),
      groups_(std::move(groups)),
      time_(time),
      end_(Clock::Real().Now() + time),
      tell_(std::move(tell)) {}

SteadyTime Doctor::StepEnd() const { return std::min(end_, Clock::Real().Now() + time_ / 10 * 3); }

bool Doctor::TimeIsUp() const { return Clock::Real().Now() >= end_; }

void Doctor::TellAll(const std::vector<Finding>& rows) {
  for (const Finding& row : rows) tell_(row);
}

void Doctor::Skip(const std::string& check, const std::string& why) {
  tell_({check, "", Verdict::kSkipped, why, ""});
}

void Doctor::Examine() {
  auto router = Router::Make(config_.producer_config, config_.topic_prefix, config_.encoding);
  if (!router.ok()) {
    tell_({"configuration", "producer_config", Verdict::kFailed,
           std::string(router.status().message()), ""});
    return;
  }
  router_ = *std::move(router);
  AskRegistry();
  ExamineMachine();
  if (config_.broker.kind == BrokerKind::kEmbedded) {
    Skip("cluster", "the embedded broker is a part of the gateway");
  } else {
    ExamineKafka();
  }
  ExamineRegistry();
}

void Doctor::AskRegistry() {
  if (config_.schema_registry.url.empty()) return;
  HttpRegistryOptions options = HttpRegistryOptionsOf(config_.schema_registry);
  options.http.timeout = std::min(options.http.timeout, time_);
  auto probe = RegistryProbe::Start(std::move(options));
  registry_error_ = probe.status();
  if (probe.ok()) registry_ = *std::move(probe);
}

void Doctor::ExamineMachine() {
  tell_(JudgeOpenFiles(OpenFilesLimit(), config_.limits, config_.broker.bootstrap_servers.size()));
  tell_(JudgeMemory(MemoryLimit(kGroupsFile, kGroupsMount), config_.limits));
}

void Doctor::ExamineKafka() {
  if (!ExamineServers()) return Skip("cluster", "no bootstrap server can be reached");
  if (!ExamineConnection()) return Skip("topics", "there is no connection to ask on");
  ExamineBrokers();
  if (TimeIsUp()) return Skip("topics", "no time was left: try again with a longer --timeout");
  ExamineTopics();
  ExaminePermissions();
  ExamineGroups();
}

bool Doctor::ExamineServers() {
  const std::vector<std::string>& servers = config_.broker.bootstrap_servers;
  const std::vector<Reach> reaches = ReachAll(servers, StepEnd());
  TellAll(JudgeBootstrap(servers, reaches));
  return std::ranges::any_of(
      reaches, [](const Reach& reach) { return reach.end == Reach::End::kConnected; });
}

bool Doctor::ExamineConnection() {
  auto inspector = KafkaInspector::Make(KafkaBrokerOptionsOf(config_));
  if (!inspector.ok()) {
    tell_({"cluster", "", Verdict::kFailed,
           WithoutSecrets(std::string(inspector.status().message()), config_.broker.properties),
           "correct broker.kafka.properties"});
    return false;
  }
  kafka_ = *std::move(inspector);
  cluster_ = kafka_->AskCluster(StepEnd());
  cluster_.detail = WithoutSecrets(cluster_.detail, config_.broker.properties);
  TellAll(JudgeConnection(cluster_, KafkaSecurityOf(config_.broker.properties)));
  return cluster_.problem == ConnectProblem::kNone;
}

void Doctor::ExamineBrokers() {
  std::vector<std::string> addresses;
  for (const BrokerFacts& broker : cluster_.brokers) addresses.push_back(AddressOf(broker));
  const std::vector<Reach> reaches = ReachAll(addresses, StepEnd());
  for (std::size_t i = 0; i < reaches.size(); ++i) {
    tell_(JudgeBroker(cluster_.brokers[i], reaches[i]));
  }
}

void Doctor::ExamineTopics() {
  topics_ = kafka_->AskTopics(FullTopicsOf(*router_), StepEnd());
  // Now at least one broker is connected to for good.
  tell_(JudgeVersions(kafka_->apis(), config_.subscribe.group_protocol));
  for (const TopicFacts& topic : topics_) tell_(JudgeTopic(topic, config_.limits.max_event_bytes));
}

void Doctor::ExaminePermissions() {
  std::vector<TopicFacts> published;
  for (const TopicFacts& topic : topics_) {
    const auto is_published = [&topic](const EventTypeRoutes& type) {
      return std::ranges::any_of(type.routes, [&topic](const Route& route) {
        return route.enabled && route.full_topic == topic.name;
      });
    };
    if (std::ranges::any_of(router_->event_types(), is_published)) published.push_back(topic);
  }
  tell_(JudgePublishing(published));
  tell_(JudgeSubscribing(topics_, !groups_.empty()));
}

void Doctor::ExamineGroups() {
  tell_(JudgeBroadcast(kafka_->AskGroups({kBroadcastGroup}, StepEnd()).front()));
  const bool has_dead_letters = config_.dead_letter.use == Switch::kOn;
  if (groups_.empty()) {
    Skip("group", "none is named: --group checks one, and its dead letters");
    if (has_dead_letters) {
      tell_(JudgeDeadLettersOfAnyGroup(cluster_.operations, config_.dead_letter.create));
    }
    return;
  }
  for (const GroupFacts& group : kafka_->AskGroups(groups_, StepEnd())) tell_(JudgeGroup(group));
  if (!has_dead_letters) return;
  for (const std::string& group : groups_) ExamineGroup(group);
}

void Doctor::ExamineGroup(const std::string& group) {
  std::vector<std::string> names;
  std::vector<NewTopicFacts> like;
  for (const TopicFacts& topic : topics_) {
    const auto short_name = router_->TopicOf(topic.name);
    if (!short_name.has_value()) continue;
    std::string name = FullDeadLetterTopic(*router_, config_.dead_letter.topic, *short_name, group);
    if (std::ranges::find(names, name) != names.end()) continue;  // one of all topics
    names.push_back(std::move(name));
    like.push_back({.name = names.back(),
                    .partitions = std::max(topic.partitions, 1),
                    .replicas = std::max(topic.replicas, 1)});
  }
  DeadLetterTopics letters;
  letters.group = group;
  letters.creates = config_.dead_letter.create;
  letters.topics = kafka_->AskTopics(names, StepEnd());
  // Kafka says "denied" of what it lets us not see: whether it exists or not.
  for (std::size_t i = 0; i < letters.topics.size(); ++i) {
    if (letters.topics[i].presence == TopicPresence::kMissing) letters.missing.push_back(like[i]);
  }
  if (letters.creates) letters.missing = kafka_->AskCreation(letters.missing, StepEnd());
  tell_(JudgeDeadLetters(letters));
  if (config_.admin_api.has_value()) ExamineRedriving(letters);
}

void Doctor::ExamineRedriving(const DeadLetterTopics& letters) {
  std::vector<std::string> readers;
  for (const TopicFacts& topic : letters.topics) readers.push_back(RedriveReaderOf(topic.name));
  tell_(JudgeRedriving(letters, topics_, kafka_->AskGroups(readers, StepEnd())));
}

void Doctor::ExamineRegistry() {
  if (config_.schema_registry.url.empty()) {
    Skip("registry", "schema_registry.url is not set");
    return Skip("clock", "there is no clock to compare with: no registry is configured");
  }
  if (registry_ == nullptr) {
    tell_({"registry", "", Verdict::kFailed, std::string(registry_error_.message()), ""});
    return Skip("clock", "there is no clock to compare with: the registry was not asked");
  }
  const RegistryFacts facts = registry_->Wait();
  tell_(JudgeRegistry(facts));
  tell_(JudgeSubjects(facts, SubjectsOfEvents(), config_.schema_registry.registering));
  tell_(JudgeClock(facts));
}

std::vector<std::string> Doctor::SubjectsOfEvents() const {
  std::vector<std::string> subjects;
  for (const EventTypeRoutes& type : router_->event_types()) {
    for (const Route& route : type.routes) {
      if (!route.enabled || route.encoding != RecordEncoding::kOpenedx) continue;
      subjects.push_back(ValueSubject(route.full_topic, type.type));
    }
  }
  return subjects;
}

}  // namespace sidebus
