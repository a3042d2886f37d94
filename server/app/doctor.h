#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/app/doctor_finding.h"
#include "server/app/doctor_permissions.h"
#include "server/broker/kafka/kafka_inspector.h"
#include "server/config/config.h"
#include "server/registry/registry_probe.h"
#include "server/routing/router.h"

namespace sidebus {

// Looks at everything that a gateway with this configuration would need, from where it would run, in
// the order in which one thing needs the other:
//
//   this machine -> each bootstrap server -> TLS, SASL, the cluster -> each broker as the cluster
//   names it -> topics -> permissions -> groups and their dead letters -> schema registry -> clock
//
// What comes after a failure that it needs is left out, with one row that says so. No step takes more
// than three tenths of the time, so that a slow one leaves some to the others.
//
// Thread safety: none. The destructor may block for as long as a resolver does that hangs.
class Doctor {
 public:
  // Called with each row as soon as it is known.
  using Tell = std::function<void(const Finding&)>;

  // `groups`: those that subscribers will name.
  Doctor(const Config& config, std::vector<std::string> groups, Duration time, Tell tell);

  // Returns after `time` at most, and a little.
  void Examine();

 private:
  SteadyTime StepEnd() const;
  bool TimeIsUp() const;
  void TellAll(const std::vector<Finding>& rows);
  void Skip(const std::string& check, const std::string& why);

  void AskRegistry();
  void ExamineMachine();
  void ExamineKafka();
  bool ExamineServers();
  bool ExamineConnection();
  void ExamineBrokers();
  void ExamineTopics();
  void ExaminePermissions();
  void ExamineGroups();
  void ExamineGroup(const std::string& group);
  void ExamineRedriving(const DeadLetterTopics& letters);
  void ExamineRegistry();

  std::vector<std::string> SubjectsOfEvents() const;

  const Config& config_;
  const std::vector<std::string> groups_;
  const Duration time_;
  const SteadyTime end_;
  const Tell tell_;
  std::shared_ptr<const Router> router_;

  std::unique_ptr<RegistryProbe> registry_;
  absl::Status registry_error_;
  std::unique_ptr<KafkaInspector> kafka_;
  ClusterFacts cluster_;
  std::vector<TopicFacts> topics_;  // of the producer config
};

}  // namespace sidebus
