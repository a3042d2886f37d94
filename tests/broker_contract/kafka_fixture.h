#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "server/broker/kafka/kafka_broker.h"
#include "tests/broker_contract/contract.h"
#include "tests/support/kafka_topics.h"

namespace sidebus::contract {

// How the members of the tests' groups share out partitions.
struct Membership {
  GroupProtocol protocol = GroupProtocol::kClassic;
  Assignor assignor = Assignor::kRange;

  // Whether a rebalance takes only what goes to another member.
  bool keeps_partitions() const {
    return protocol == GroupProtocol::kConsumer || assignor == Assignor::kCooperativeSticky;
  }
};

inline KafkaBrokerOptions KafkaOptionsFor(const std::string& servers, Membership membership) {
  KafkaBrokerOptions options;
  options.bootstrap_servers = {servers};
  // Sooner than by default: a crashed member is missed, a new partition is seen.
  options.session_timeout = std::chrono::seconds(6);
  options.properties["topic.metadata.refresh.interval.ms"] = "1000";
  options.group_protocol = membership.protocol;
  options.assignor = membership.assignor;
  return options;
}

class KafkaFixture final : public BrokerFixture {
 public:
  KafkaFixture(const std::string& servers, Membership membership)
      : servers_(servers), membership_(membership), broker_(KafkaOptionsFor(servers, membership)) {}

  Broker& broker() override { return broker_; }
  void CreateTopic(const std::string& topic, int partitions) override {
    EXPECT_EQ(CreateKafkaTopic(servers_, topic, partitions), "");
  }
  bool AddPartitions(const std::string& topic, int partitions) override {
    EXPECT_EQ(AddKafkaPartitions(servers_, topic, partitions), "");
    return true;
  }
  bool MakeAnew(const std::string& topic, int partitions) override {
    EXPECT_EQ(DeleteKafkaTopic(servers_, topic), "");
    CreateTopic(topic, partitions);
    return true;
  }
  bool finds_offsets_by_time() const override { return true; }

  const std::string& servers() const { return servers_; }
  const Membership& membership() const { return membership_; }

 private:
  const std::string servers_;
  const Membership membership_;
  KafkaBroker broker_;
};

// The broker whose host:port is in an environment variable; without it the tests are skipped.
inline Backend KafkaAt(const std::string& name, const std::string& variable,
                       Membership membership = {}) {
  return {name,
          [variable, membership]() -> std::unique_ptr<BrokerFixture> {
            const char* const servers = std::getenv(variable.c_str());
            if (servers == nullptr || *servers == '\0') return nullptr;
            return std::make_unique<KafkaFixture>(servers, membership);
          },
          "needs a real Kafka: set " + variable +
              " to its host:port, or use tests/support/kafka.py run"};
}

inline constexpr char kKafka[] = "SIDEBUS_TEST_KAFKA";
inline constexpr char kKafka39[] = "SIDEBUS_TEST_KAFKA_39";
inline constexpr Membership kRangeMembers{};
inline constexpr Membership kStickyMembers{GroupProtocol::kClassic, Assignor::kCooperativeSticky};
inline constexpr Membership kConsumerMembers{GroupProtocol::kConsumer, Assignor::kRange};
inline constexpr Membership kAutoMembers{GroupProtocol::kAuto, Assignor::kRange};

}  // namespace sidebus::contract
