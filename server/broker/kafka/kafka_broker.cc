#include "server/broker/kafka/kafka_broker.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "server/base/error.h"
#include "server/broker/kafka/kafka_consumer.h"
#include "server/broker/kafka/kafka_group_admin.h"
#include "server/broker/kafka/kafka_producer.h"

namespace sidebus {

KafkaBroker::KafkaBroker(KafkaBrokerOptions options) : options_(std::move(options)) {}

std::string KafkaBroker::bootstrap_servers() const {
  return fmt::format("{}", fmt::join(options_.bootstrap_servers, ","));
}

absl::StatusOr<std::unique_ptr<Producer>> KafkaBroker::MakeProducer(ProducerListener& listener) {
  return KafkaProducer::Make(options_, listener);
}

absl::StatusOr<std::unique_ptr<Consumer>> KafkaBroker::MakeConsumer(ConsumerOptions options,
                                                                    ConsumerHandler& handler) {
  if (options.start.at == StartPosition::At::kTime && !options_.offsets_by_time) {
    return MakeError(Reason::kNotSupported,
                     "start_from.time: this broker cannot find records by time: use earliest or "
                     "latest, or a real Kafka");
  }
  return KafkaConsumer::Make(options_, cluster_, std::move(options), handler);
}

absl::StatusOr<std::unique_ptr<GroupAdmin>> KafkaBroker::MakeGroupAdmin() {
  return std::make_unique<KafkaGroupAdmin>(options_);
}

}  // namespace sidebus
