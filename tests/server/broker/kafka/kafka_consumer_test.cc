// A consumer to which no broker answers.

#include "server/broker/kafka/kafka_consumer.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/broker_contract/contract.h"

namespace sidebus {
namespace {

using contract::CloseAndWait;
using contract::CommitAll;
using contract::Receiver;

// A port on which nobody listens, and nobody can while this lives.
class DeafPort {
 public:
  DeafPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(where);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&where), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&where), &size), 0);
    server_ = "127.0.0.1:" + std::to_string(ntohs(where.sin_port));
  }
  ~DeafPort() { close(fd_); }
  DeafPort(const DeafPort&) = delete;
  DeafPort& operator=(const DeafPort&) = delete;

  const std::string& server() const { return server_; }

 private:
  const int fd_;
  std::string server_;
};

class LonelyConsumerTest : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<KafkaConsumer> Make() {
    KafkaBrokerOptions broker;
    broker.bootstrap_servers = {port_.server()};
    ConsumerOptions options;
    options.group = GetParam();
    options.topics = {"orders"};
    auto made =
        KafkaConsumer::Make(broker, std::make_shared<KafkaClusterFacts>(), options, receiver_);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    return *std::move(made);
  }

  DeafPort port_;
  Receiver receiver_;
};

TEST_P(LonelyConsumerTest, ClosesAtOnce) {
  auto consumer = Make();
  const auto begin = std::chrono::steady_clock::now();

  EXPECT_TRUE(CloseAndWait(std::move(consumer)).ok());

  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
}

TEST_P(LonelyConsumerTest, CommitsNothingAtOnce) {
  const auto consumer = Make();

  EXPECT_TRUE(CommitAll(*consumer).ok());
}

INSTANTIATE_TEST_SUITE_P(Groups, LonelyConsumerTest, testing::Values("group", ""),
                         [](const auto& one) {
                           return std::string(*one.param == '\0' ? "Broadcast" : "Group");
                         });

}  // namespace
}  // namespace sidebus
