#include "server/app/doctor_kafka.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

namespace sidebus {
namespace {

constexpr int kGoodReplicas = 3;
constexpr int kGoodInSync = 2;

std::string InMilliseconds(Duration took) {
  return fmt::format("{} ms", std::chrono::ceil<std::chrono::milliseconds>(took).count());
}

std::string WayOf(const Reach& reach) {
  switch (reach.end) {
    case Reach::End::kConnected:
      return fmt::format("{}, connects in {}", reach.address, InMilliseconds(reach.took));
    case Reach::End::kBadName:
      return "this is no host:port";
    case Reach::End::kNoAddress:
      return fmt::format("its name has no address: {}", reach.why);
    case Reach::End::kNoResolver:
      return "its name could not be looked up in time";
    case Reach::End::kRefused:
      return fmt::format("{}: {}", reach.address, reach.why);
    case Reach::End::kNoAnswer:
      break;
  }
  return fmt::format("{}: no answer in time", reach.address);
}

std::string FixOfWay(const Reach& reach) {
  switch (reach.end) {
    case Reach::End::kConnected:
      return "";
    case Reach::End::kBadName:
    case Reach::End::kNoAddress:
      return "check the name, and the name server of this machine";
    case Reach::End::kNoResolver:
      return "check the name server of this machine";
    case Reach::End::kRefused:
      return "is Kafka running there, and is it this port?";
    case Reach::End::kNoAnswer:
      break;
  }
  return "does a firewall or a network policy stand between?";
}

bool Connected(const Reach& reach) { return reach.end == Reach::End::kConnected; }

struct ConnectionRows {
  Finding tls{"tls", "", Verdict::kSkipped, "not reached", ""};
  Finding sasl{"sasl", "", Verdict::kSkipped, "not reached", ""};
  Finding cluster{"cluster", "", Verdict::kFailed, "", ""};
};

void SetTlsDone(Finding& row, const KafkaSecurity& security) {
  row.verdict = security.tls ? Verdict::kOk : Verdict::kSkipped;
  row.found = security.tls ? "the broker's certificate is trusted, and of this host"
                           : fmt::format("not used: security.protocol is {}", security.protocol);
}

void SetSaslDone(Finding& row, const KafkaSecurity& security) {
  row.verdict = security.sasl ? Verdict::kOk : Verdict::kSkipped;
  row.found = security.sasl ? fmt::format("logged in with {}", security.mechanism)
                            : fmt::format("not used: security.protocol is {}", security.protocol);
}

std::string Because(const std::string& detail) { return detail.empty() ? "" : ": " + detail; }

void SetTlsFailed(Finding& row, const ClusterFacts& facts) {
  row.verdict = Verdict::kFailed;
  row.found = "TLS failed" + Because(facts.detail);
  if (facts.detail.find("client SSL authentication") != std::string::npos) {
    row.fix =
        "the brokers may want a certificate of the client: set ssl.certificate.location and "
        "ssl.key.location in broker.kafka.properties";
    return;
  }
  row.fix =
      "ssl.ca.location in broker.kafka.properties must name the authority that signed the broker's "
      "certificate; the certificate must be in force, and name the host of the server";
}

// What the gateway asks for, beyond what every broker since 0.11 has.
struct ApiNeed {
  std::int16_t request;
  std::int16_t version;
  std::string_view what_for;
  std::string_view since;
  bool vital;
};
constexpr auto kNeeds = std::to_array<ApiNeed>({
    {0, 3, "publishing with headers", "0.11", true},
    {1, 4, "subscribing with headers", "0.11", true},
    {22, 0, "publishing without duplicates", "0.11", true},
    {23, 2, "seeing that a log was truncated", "2.1", false},
    {3, 10, "seeing that a topic was deleted and made anew", "2.8", false},
});
constexpr ApiNeed kConsumerProtocol = {68, 0, "subscribe.group_protocol: consumer", "4.0", true};

// What is wrong with something, in parts; the worst decides.
class Faults {
 public:
  void Add(Verdict verdict, std::string what, std::string fix) {
    if (verdict_ != Verdict::kFailed) verdict_ = verdict;
    what_.push_back(std::move(what));
    fixes_.push_back(std::move(fix));
  }

  Verdict verdict() const { return verdict_; }
  const std::vector<std::string>& what() const { return what_; }
  std::string fix() const { return fmt::format("{}", fmt::join(fixes_, "; ")); }

 private:
  Verdict verdict_ = Verdict::kOk;
  std::vector<std::string> what_;
  std::vector<std::string> fixes_;
};

void JudgeReplicas(const TopicFacts& topic, Faults& faults) {
  const auto min_in_sync = static_cast<int>(topic.min_in_sync.value_or(0));
  if (topic.leaderless > 0) {
    faults.Add(Verdict::kFailed,
               fmt::format("{} without a leader",
                           CountOf(static_cast<std::size_t>(topic.leaderless), "partition")),
               "look at the brokers: these partitions cannot be written or read now");
  }
  if (min_in_sync > topic.replicas) {
    faults.Add(Verdict::kFailed, "min.insync.replicas is more than there are replicas",
               "lower it, or give the topic more replicas: nothing can be published to it");
  } else if (topic.in_sync < min_in_sync) {
    faults.Add(Verdict::kFailed, fmt::format("only {} in sync", topic.in_sync),
               "look at the brokers: until they are back nothing can be published to it");
  } else if (topic.in_sync < topic.replicas) {
    faults.Add(Verdict::kWarning, fmt::format("only {} in sync", topic.in_sync),
               "look at the brokers");
  }
  if (topic.replicas < kGoodReplicas) {
    faults.Add(Verdict::kWarning, fmt::format("fewer than {} replicas", kGoodReplicas),
               topic.replicas == 1 ? "with one replica a lost disk is lost events: give it three"
                                   : "give it three");
  }
  if (topic.replicas < 2 || !topic.min_in_sync.has_value()) return;
  if (min_in_sync < kGoodInSync) {
    faults.Add(Verdict::kWarning, "what is published may be on one broker only",
               "set min.insync.replicas of the topic to 2");
  } else if (min_in_sync == topic.replicas) {
    faults.Add(Verdict::kWarning, "publishing stops as soon as one broker is down",
               "set min.insync.replicas to one less than there are replicas");
  }
}

void JudgeSize(const TopicFacts& topic, std::uint64_t max_event_bytes, Faults& faults) {
  const std::int64_t most = topic.max_message_bytes.value_or(-1);
  if (most < 0 || static_cast<std::uint64_t>(most) >= max_event_bytes) return;
  faults.Add(
      Verdict::kWarning,
      fmt::format("max.message.bytes is less than limits.max_event_bytes ({})", max_event_bytes),
      "raise the one or lower the other: events in between are refused by Kafka");
}

}  // namespace

KafkaSecurity KafkaSecurityOf(const std::map<std::string, std::string>& properties) {
  const auto value = [&properties](const char* name) {
    const auto found = properties.find(name);
    return found == properties.end() ? std::string() : found->second;
  };
  KafkaSecurity security;
  security.protocol = value("security.protocol");
  std::ranges::transform(security.protocol, security.protocol.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (security.protocol.empty()) security.protocol = "plaintext";
  security.mechanism = value("sasl.mechanisms");
  if (security.mechanism.empty()) security.mechanism = value("sasl.mechanism");
  if (security.mechanism.empty()) security.mechanism = "GSSAPI";
  security.tls = security.protocol.ends_with("ssl");
  security.sasl = security.protocol.starts_with("sasl");
  return security;
}

std::vector<Finding> JudgeBootstrap(const std::vector<std::string>& servers,
                                    const std::vector<Reach>& reaches) {
  const bool any = std::ranges::any_of(reaches, Connected);
  std::vector<Finding> rows;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const Verdict bad = any ? Verdict::kWarning : Verdict::kFailed;
    rows.push_back({"bootstrap", servers[i], Connected(reaches[i]) ? Verdict::kOk : bad,
                    WayOf(reaches[i]), FixOfWay(reaches[i])});
  }
  return rows;
}

std::vector<Finding> JudgeConnection(const ClusterFacts& facts, const KafkaSecurity& security) {
  ConnectionRows rows;
  switch (facts.problem) {
    case ConnectProblem::kNone:
      SetTlsDone(rows.tls, security);
      SetSaslDone(rows.sasl, security);
      rows.cluster.verdict = Verdict::kOk;
      rows.cluster.found =
          fmt::format("{} of {}", CountOf(facts.brokers.size(), "broker"),
                      facts.id.empty() ? "a cluster without a name" : "cluster " + facts.id);
      break;
    case ConnectProblem::kNoAnswer:
      rows.cluster.found = "no answer in time" + Because(facts.detail);
      rows.cluster.fix = "is it Kafka that listens there? Give it more time with --timeout";
      break;
    case ConnectProblem::kUnreachable:
      rows.cluster.found = "cannot connect" + Because(facts.detail);
      rows.cluster.fix = "is it Kafka that listens there?";
      break;
    case ConnectProblem::kListener:
      rows.tls.verdict = Verdict::kFailed;
      rows.tls.found =
          fmt::format("the listener does not speak {}{}", security.protocol, Because(facts.detail));
      rows.tls.fix =
          "set security.protocol in broker.kafka.properties to what the listener is: plaintext, "
          "ssl, sasl_plaintext or sasl_ssl";
      rows.cluster = {"cluster", "", Verdict::kSkipped, "not reached", ""};
      break;
    case ConnectProblem::kTls:
      SetTlsFailed(rows.tls, facts);
      rows.cluster = {"cluster", "", Verdict::kSkipped, "not reached", ""};
      break;
    case ConnectProblem::kLogin:
      SetTlsDone(rows.tls, security);
      rows.sasl.verdict = Verdict::kFailed;
      rows.sasl.found = fmt::format("authentication refused ({}){}",
                                    security.sasl ? security.mechanism : security.protocol,
                                    Because(facts.detail));
      rows.sasl.fix =
          "check sasl.mechanism, sasl.username and sasl.password in broker.kafka.properties, and "
          "that the user is known to the brokers";
      rows.cluster = {"cluster", "", Verdict::kSkipped, "not reached", ""};
      break;
  }
  return {std::move(rows.tls), std::move(rows.sasl), std::move(rows.cluster)};
}

Finding JudgeBroker(const BrokerFacts& broker, const Reach& reach) {
  const std::string subject = fmt::format("{} at {}:{}", broker.id, broker.host, broker.port);
  if (Connected(reach)) return {"broker", subject, Verdict::kOk, WayOf(reach), ""};
  return {
      "broker", subject, Verdict::kFailed, WayOf(reach),
      "this address is what the broker tells its clients (advertised.listeners): it must be one "
      "that this machine can reach"};
}

Finding JudgeVersions(const KafkaApis& apis, RebalanceProtocol protocol) {
  if (apis.empty()) return {"versions", "", Verdict::kSkipped, "the brokers do not tell", ""};
  std::vector<ApiNeed> needs(kNeeds.begin(), kNeeds.end());
  if (protocol == RebalanceProtocol::kConsumer) needs.push_back(kConsumerProtocol);
  std::vector<std::string> missing;
  bool vital = false;
  std::string_view since;
  for (const ApiNeed& need : needs) {
    const auto found = apis.find(need.request);
    if (found != apis.end() && found->second >= need.version) continue;
    missing.emplace_back(need.what_for);
    vital |= need.vital;
    since = need.since;
  }
  if (missing.empty()) {
    return {"versions", "", Verdict::kOk, "the brokers have all that is asked of them", ""};
  }
  return {"versions", "", vital ? Verdict::kFailed : Verdict::kWarning,
          fmt::format("the brokers are too old for {}", fmt::join(missing, ", ")),
          fmt::format("Kafka {} or newer has it", since)};
}

Finding JudgeTopic(const TopicFacts& topic, std::uint64_t max_event_bytes) {
  Finding row{"topic", topic.name, Verdict::kFailed, "", ""};
  switch (topic.presence) {
    case TopicPresence::kUnknown:
      row.found = topic.error.empty() ? "no answer in time" : "not told: " + topic.error;
      row.fix = "look at the brokers, and try again with a longer --timeout";
      return row;
    case TopicPresence::kMissing:
      row.found = "does not exist";
      row.fix = fmt::format(
          "kafka-topics.sh --create --topic {} --partitions 6 --replication-factor 3 --config "
          "min.insync.replicas=2",
          topic.name);
      return row;
    case TopicPresence::kDenied:
      row.found = "Kafka denies to say anything about it, even whether it exists";
      row.fix = "grant Describe on it (deploy/permissions.md)";
      return row;
    case TopicPresence::kThere:
      break;
  }
  Faults faults;
  JudgeReplicas(topic, faults);
  JudgeSize(topic, max_event_bytes, faults);
  row.verdict = faults.verdict();
  row.fix = faults.fix();
  row.found =
      fmt::format("{}, {}", CountOf(static_cast<std::size_t>(topic.partitions), "partition"),
                  CountOf(static_cast<std::size_t>(topic.replicas), "replica"));
  if (topic.min_in_sync.has_value()) {
    row.found += fmt::format(", min.insync.replicas {}", *topic.min_in_sync);
  } else {
    row.found += ", min.insync.replicas not told (needs DescribeConfigs)";
  }
  if (topic.max_message_bytes.has_value()) {
    row.found += fmt::format(", max.message.bytes {}", *topic.max_message_bytes);
  }
  for (const std::string& what : faults.what()) row.found += "; " + what;
  return row;
}

}  // namespace sidebus
