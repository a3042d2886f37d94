#include "server/broker/memory/memory_broker.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

class MemoryFixture final : public BrokerFixture {
 public:
  Broker& broker() override { return broker_; }
  void CreateTopic(const std::string& topic, int partitions) override {
    broker_.CreateTopic(topic, partitions);
  }
  bool AddPartitions(const std::string& topic, int partitions) override {
    broker_.AddPartitions(topic, partitions);
    return true;
  }
  bool MakeAnew(const std::string& topic, int partitions) override {
    broker_.MakeAnew(topic, partitions);
    return true;
  }
  bool finds_offsets_by_time() const override { return true; }

 private:
  MemoryBroker broker_{Clock::Real()};
  MemoryBrokerThread thread_{broker_};
};

INSTANTIATE_BROKER_CONTRACT(Memory, [] { return std::make_unique<MemoryFixture>(); });

}  // namespace
}  // namespace sidebus::contract
