#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/app/doctor_finding.h"
#include "server/app/doctor_reach.h"
#include "server/broker/kafka/cluster_facts.h"
#include "server/config/config.h"

namespace sidebus {

// What is thought of a cluster: functions of values.

// What `security.protocol` and `sasl.mechanism(s)` of broker.kafka.properties say.
struct KafkaSecurity {
  std::string protocol;  // in small letters
  std::string mechanism;
  bool tls = false;
  bool sasl = false;
};
KafkaSecurity KafkaSecurityOf(const std::map<std::string, std::string>& properties);

// One row per server. One that cannot be reached is only a warning while another one can.
std::vector<Finding> JudgeBootstrap(const std::vector<std::string>& servers,
                                    const std::vector<Reach>& reaches);

// TLS, SASL, and the cluster behind them.
std::vector<Finding> JudgeConnection(const ClusterFacts& facts, const KafkaSecurity& security);

// A broker as the cluster names it to its clients.
Finding JudgeBroker(const BrokerFacts& broker, const Reach& reach);

Finding JudgeVersions(const KafkaApis& apis, RebalanceProtocol protocol);

Finding JudgeTopic(const TopicFacts& topic, std::uint64_t max_event_bytes);

}  // namespace sidebus
