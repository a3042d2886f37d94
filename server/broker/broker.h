#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/broker/consumer.h"
#include "server/broker/group_admin.h"
#include "server/broker/producer.h"

namespace sidebus {

// A log: Kafka, Kafka's mock in this process, or memory. Makes the clients; topic names are with
// prefix everywhere below it.
//
// Thread safety: all methods may be called from any thread. Life: outlives what it made.
class Broker {
 public:
  virtual ~Broker() = default;

  // "kafka", "embedded" or "memory".
  virtual std::string_view kind() const = 0;

  // Where any Kafka client can connect, for people: "127.0.0.1:41234". Empty for memory.
  virtual std::string bootstrap_servers() const = 0;

  // Never waits for the broker. `listener` must outlive the producer.
  virtual absl::StatusOr<std::unique_ptr<Producer>> MakeProducer(ProducerListener& listener) = 0;

  // Never waits for the broker: it joins when one answers. `handler` must live until Close() of the
  // consumer is done, or the consumer is destroyed.
  virtual absl::StatusOr<std::unique_ptr<Consumer>> MakeConsumer(ConsumerOptions options,
                                                                 ConsumerHandler& handler) = 0;

  // Never waits for the broker.
  virtual absl::StatusOr<std::unique_ptr<GroupAdmin>> MakeGroupAdmin() = 0;
};

}  // namespace sidebus
