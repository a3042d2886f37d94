#include "server/base/log.h"
#include "server/broker/embedded/embedded_broker.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {
namespace {

class EmbeddedFixture final : public BrokerFixture {
 public:
  EmbeddedFixture() {
    auto made = EmbeddedBroker::Make([] {
      EmbeddedBrokerOptions o;
      if (getenv("KDEBUG"))
        ConfigureLog(LogLevel::kDebug, LogFormat::kText),
            o.kafka.properties["debug"] = getenv("KDEBUG");
      return o;
    }());
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    broker_ = *std::move(made);
  }

  Broker& broker() override { return *broker_; }
  void CreateTopic(const std::string& topic, int partitions) override {
    EXPECT_TRUE(broker_->CreateTopic(topic, partitions).ok());
  }
  bool finds_offsets_by_time() const override { return false; }

 private:
  std::unique_ptr<EmbeddedBroker> broker_;
};

INSTANTIATE_BROKER_CONTRACT(Embedded, [] { return std::make_unique<EmbeddedFixture>(); });

}  // namespace
}  // namespace sidebus::contract
