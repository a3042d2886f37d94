#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/broker/kafka/cluster_facts.h"
#include "server/broker/kafka/kafka_handle.h"
#include "server/broker/kafka/kafka_options.h"

namespace sidebus {

// Asks a cluster what it is like, for a person who wants to know why a gateway would not work with
// it. Changes nothing: what no question tells is tried in a way that cannot succeed
// (docs/adr/0073).
//
// Every call blocks until `until` at most; what is not answered by then is unknown in its result.
// AskCluster() comes first: without a connection the others only wait.
//
// Ownership: owns a client. Its destructor may block for as long as a resolver does that hangs.
// Thread safety: none, but for what librdkafka's threads log.
class KafkaInspector {
 public:
  // The error names a property that librdkafka does not take, never its value.
  static absl::StatusOr<std::unique_ptr<KafkaInspector>> Make(const KafkaBrokerOptions& options);

  // Ends early when every server was tried and refused, and the next tries, too.
  ClusterFacts AskCluster(SteadyTime until);

  // In the order of the names.
  std::vector<TopicFacts> AskTopics(const std::vector<std::string>& topics, SteadyTime until);
  std::vector<GroupFacts> AskGroups(const std::vector<std::string>& groups, SteadyTime until);

  // Whether they might be made: Kafka checks it, and makes none.
  std::vector<NewTopicFacts> AskCreation(std::vector<NewTopicFacts> topics, SteadyTime until);

  // What the brokers that were connected to can do.
  KafkaApis apis() const;

 private:
  using RequestId = std::uintptr_t;

  KafkaInspector() = default;

  KafkaAdminOptions Options(rd_kafka_admin_op_t request, int timeout_ms, RequestId id);
  RequestId SendDescribeGroup(const std::string& group);
  RequestId SendReadProbe(const std::string& group);
  void AskGroupsOnce(const std::vector<GroupFacts*>& groups, SteadyTime until);
  // Null: no answer until then, or (`or_refused`) every server refused.
  KafkaEvent Await(RequestId id, SteadyTime until, bool or_refused = false);
  void AskTopicConfigs(std::vector<TopicFacts>& topics, SteadyTime until);
  void NoteProblem(rd_kafka_resp_err_t error, std::string_view text);

  static void OnError(rd_kafka_t* client, int error, const char* text, void* self);
  static void OnLog(const rd_kafka_t* client, int level, const char* facility, const char* text);

  RequestId last_id_ = 0;
  ConnectProblem problem_ = ConnectProblem::kNoAnswer;
  std::string detail_;
  std::optional<SteadyTime> all_refused_since_;

  mutable Mutex mu_;
  std::string other_listener_ ABSL_GUARDED_BY(mu_);                          // what was said of one
  std::map<std::string, KafkaApis, std::less<>> apis_ ABSL_GUARDED_BY(mu_);  // by broker

  // Its threads use what is above; the rest ends before it.
  KafkaClient client_;
  KafkaQueue queue_;
  std::map<RequestId, KafkaEvent> answers_;  // that came before they were waited for
};

}  // namespace sidebus
