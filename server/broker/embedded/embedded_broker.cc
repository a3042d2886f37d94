#include "server/broker/embedded/embedded_broker.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka_mock.h>

#include <utility>

#include "server/broker/embedded/mock_nudge.h"

namespace sidebus {
namespace {

constexpr Duration kSessionTimeout = std::chrono::seconds(2);

}  // namespace

absl::StatusOr<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::Make(
    EmbeddedBrokerOptions options) {
  std::unique_ptr<EmbeddedBroker> broker(new EmbeddedBroker);
  KafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_opaque(conf.get(), &broker->log_);
  rd_kafka_conf_set_log_cb(conf.get(), &KafkaLog::Callback);
  absl::StatusOr<KafkaClient> host = MakeClient(RD_KAFKA_PRODUCER, std::move(conf));
  if (!host.ok()) return host.status();
  broker->host_ = *std::move(host);
  broker->cluster_ = rd_kafka_mock_cluster_new(broker->host_.get(), options.brokers);
  if (broker->cluster_ == nullptr) {
    return absl::InternalError("the embedded broker cannot listen on 127.0.0.1");
  }
  rd_kafka_mock_group_initial_rebalance_delay_ms(broker->cluster_, 0);
  // Brokers are numbered from 1, and by default none is the controller: look-ups of topics would
  // wait for one for ever.
  rd_kafka_mock_set_controller_id(broker->cluster_, 1);
  const MockNudge nudge(rd_kafka_mock_cluster_bootstraps(broker->cluster_));
  for (const std::string& topic : options.topics) {
    if (absl::Status made = broker->CreateTopic(topic, options.partitions); !made.ok()) return made;
  }
  options.kafka.bootstrap_servers = {rd_kafka_mock_cluster_bootstraps(broker->cluster_)};
  // The mock answers a fetch that finds nothing when its time is over, not when a record comes.
  options.kafka.properties.emplace("fetch.wait.max.ms", "20");
  options.kafka.offsets_by_time = false;
  options.kafka.describes_groups = false;
  options.kafka.commits_while_rebalancing = false;
  options.kafka.moves_groups_that_had_members = false;
  options.kafka.make_topic = [cluster = broker.get()](const std::string& topic, int partitions) {
    return cluster->CreateTopic(topic, partitions);
  };
  // The mock waits for the session time-out less 1 s whenever a member of a group comes or goes.
  if (options.kafka.session_timeout == Duration(0)) options.kafka.session_timeout = kSessionTimeout;
  broker->kafka_ = std::make_unique<KafkaBroker>(std::move(options.kafka));
  return broker;
}

EmbeddedBroker::~EmbeddedBroker() {
  if (cluster_ != nullptr) rd_kafka_mock_cluster_destroy(cluster_);
}

absl::Status EmbeddedBroker::CreateTopic(const std::string& name, int partitions) {
  const rd_kafka_resp_err_t error =
      rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
    return absl::OkStatus();
  }
  return absl::InternalError(fmt::format("the embedded broker cannot make topic \"{}\": {}", name,
                                         rd_kafka_err2str(error)));
}

}  // namespace sidebus
