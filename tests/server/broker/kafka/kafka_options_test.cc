#include "server/broker/kafka/kafka_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "server/broker/kafka/kafka_log.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class KafkaOptionsTest : public ::testing::Test {
 protected:
  KafkaOptionsTest() { options_.bootstrap_servers = {"127.0.0.1:1", "127.0.0.1:2"}; }

  // What librdkafka has of a property; empty when it does not know it.
  static std::string ValueOf(const KafkaConf& conf, const std::string& name) {
    std::array<char, 512> value{};
    std::size_t size = value.size();
    if (rd_kafka_conf_get(conf.get(), name.c_str(), value.data(), &size) != RD_KAFKA_CONF_OK) {
      return "";
    }
    return value.data();
  }

  std::string ProducerValueOf(const std::string& name) {
    const auto conf = MakeProducerConf(options_, log_);
    EXPECT_TRUE(conf.ok()) << conf.status();
    return conf.ok() ? ValueOf(*conf, name) : "";
  }

  // What a producer with the property is refused with; the value, a secret, is not in it.
  std::string RefusalOf(const std::string& name, const std::string& value = "the-secret") {
    options_.properties = {{name, value}};
    const auto conf = MakeProducerConf(options_, log_);
    EXPECT_FALSE(conf.ok());
    const std::string refusal(conf.status().message());
    EXPECT_THAT(refusal, Not(HasSubstr("the-secret")));
    return refusal;
  }

  KafkaBrokerOptions options_;
  KafkaLog log_{"test"};
};

TEST_F(KafkaOptionsTest, AProducerIsIdempotentAndCreatesNoTopics) {
  EXPECT_EQ(ProducerValueOf("enable.idempotence"), "true");
  EXPECT_EQ(ProducerValueOf("acks"), "-1") << "all";
  EXPECT_EQ(ProducerValueOf("allow.auto.create.topics"), "false");
  EXPECT_EQ(ProducerValueOf("topic.metadata.propagation.max.ms"), "5000");
  EXPECT_EQ(ProducerValueOf("bootstrap.servers"), "127.0.0.1:1,127.0.0.1:2");
}

TEST_F(KafkaOptionsTest, TheOptionsBecomeProperties) {
  options_.publish_timeout = std::chrono::milliseconds(1500);
  options_.linger = std::chrono::microseconds(500);
  options_.client_id = "gateway";

  EXPECT_EQ(ProducerValueOf("message.timeout.ms"), "1500");
  EXPECT_EQ(ProducerValueOf("message.max.bytes"), std::to_string((64 << 20) + 64 * 1024));
  EXPECT_EQ(ProducerValueOf("linger.ms"), "0.5");
  EXPECT_EQ(ProducerValueOf("client.id"), "gateway");
}

TEST_F(KafkaOptionsTest, APropertyIsPassedOnAndOverridesADefaultOfOurs) {
  options_.properties = {{"compression.type", "lz4"}, {"socket.timeout.ms", "20000"}};

  EXPECT_EQ(ProducerValueOf("compression.type"), "lz4");
  EXPECT_EQ(ProducerValueOf("socket.timeout.ms"), "20000");
}

TEST_F(KafkaOptionsTest, AValueThatLibrdkafkaWouldShortenIsRefusedAndNotRepeated) {
  EXPECT_THAT(RefusalOf("sasl.password", " the-secret"),
              HasSubstr("\"sasl.password\": begins with"));
}

TEST_F(KafkaOptionsTest, AConsumerOfABlankGroupIsRefused) {
  ConsumerOptions consumer;
  consumer.group = " ";

  EXPECT_FALSE(MakeConsumerConf(options_, consumer, 1 << 20, log_).ok());
}

class KafkaReservedPropertyTest : public KafkaOptionsTest,
                                  public ::testing::WithParamInterface<std::string> {};

TEST_P(KafkaReservedPropertyTest, APropertyThatAPromiseDependsOnIsRefusedByName) {
  EXPECT_THAT(RefusalOf(GetParam()), HasSubstr("\"" + GetParam() + "\""));
  EXPECT_TRUE(IsKnownProperty(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Names, KafkaReservedPropertyTest,
                         ::testing::Values("acks", "request.required.acks", "enable.idempotence",
                                           "message.timeout.ms", "delivery.timeout.ms",
                                           "max.in.flight", "allow.auto.create.topics",
                                           "bootstrap.servers", "transactional.id",
                                           "enable.auto.commit", "plugin.library.paths", "dr_cb"),
                         [](const auto& test) {
                           std::string name = test.param;
                           for (char& c : name) {
                             if (c == '.') c = '_';
                           }
                           return name;
                         });

TEST_F(KafkaOptionsTest, AValueThatLibrdkafkaDoesNotTakeIsNotRepeated) {
  EXPECT_THAT(RefusalOf("socket.timeout.ms"), HasSubstr("socket.timeout.ms"));
}

TEST_F(KafkaOptionsTest, AnUnknownPropertyIsNamedAsSuch) {
  options_.properties = {{"no.such.thing", "1"}};

  const auto conf = MakeProducerConf(options_, log_);

  ASSERT_FALSE(conf.ok());
  EXPECT_THAT(std::string(conf.status().message()), HasSubstr("unknown property"));
  EXPECT_FALSE(IsKnownProperty("no.such.thing"));
}

TEST_F(KafkaOptionsTest, PropertiesWithoutADefaultAndThoseOfTopicsAreKnown) {
  for (const std::string_view name :
       {"sasl.username", "sasl.password", "sasl.mechanisms", "security.protocol", "ssl.ca.location",
        "ssl.key.password", "client.rack", "compression.codec", "partitioner", "linger.ms"}) {
    EXPECT_TRUE(IsKnownProperty(name)) << name;
  }
}

TEST_F(KafkaOptionsTest, PropertiesThatContradictIdempotenceMakeNoClient) {
  options_.properties = {{"queuing.strategy", "lifo"}};
  auto conf = MakeProducerConf(options_, log_);
  ASSERT_TRUE(conf.ok());

  EXPECT_FALSE(MakeClient(RD_KAFKA_PRODUCER, *std::move(conf)).ok());
}

class KafkaGroupOptionsTest : public KafkaOptionsTest {
 protected:
  // A client that librdkafka takes, and what it has of a property.
  std::string ConsumerValueOf(const std::string& name, const std::string& group = "g",
                              bool reads_to_end = false) {
    ConsumerOptions consumer;
    consumer.group = group;
    consumer.reads_to_end = reads_to_end;
    auto conf = MakeConsumerConf(options_, consumer, 64 * 1024, log_);
    EXPECT_TRUE(conf.ok()) << conf.status();
    if (!conf.ok()) return "";
    const std::string value = ValueOf(*conf, name);
    EXPECT_TRUE(MakeClient(RD_KAFKA_CONSUMER, *std::move(conf)).ok());
    return value;
  }
};

TEST_F(KafkaGroupOptionsTest, AGroupIsClassicWithRangeUnlessItIsSaid) {
  EXPECT_EQ(ConsumerValueOf("group.protocol"), "classic");
  EXPECT_EQ(ConsumerValueOf("partition.assignment.strategy"), "range");
  EXPECT_EQ(ConsumerValueOf("group.instance.id"), "");
  EXPECT_FALSE(IsIncremental(options_));
}

TEST_F(KafkaGroupOptionsTest, TheAssignorIsTheClassicProtocols) {
  options_.assignor = Assignor::kCooperativeSticky;

  EXPECT_EQ(ConsumerValueOf("partition.assignment.strategy"), "cooperative-sticky");
  EXPECT_TRUE(IsIncremental(options_));
}

TEST_F(KafkaGroupOptionsTest, TheConsumerProtocolIsNotToldWhatItsBrokersSay) {
  options_.properties = {{"session.timeout.ms", "7000"}, {"heartbeat.interval.ms", "700"}};
  options_.assignor = Assignor::kCooperativeSticky;
  for (const GroupProtocol protocol : {GroupProtocol::kConsumer, GroupProtocol::kAuto}) {
    options_.group_protocol = protocol;

    EXPECT_EQ(ConsumerValueOf("group.protocol"), "consumer");
    EXPECT_EQ(ConsumerValueOf("session.timeout.ms"), "45000") << "librdkafka's default";
    EXPECT_EQ(ConsumerValueOf("heartbeat.interval.ms"), "3000") << "librdkafka's default";
    EXPECT_TRUE(IsIncremental(options_));
  }
  options_.group_protocol = GroupProtocol::kClassic;
  EXPECT_EQ(ConsumerValueOf("session.timeout.ms"), "7000");
}

TEST_F(KafkaGroupOptionsTest, BroadcastIsNoMemberOfAnyGroup) {
  options_.group_protocol = GroupProtocol::kConsumer;
  options_.static_member = "pod-1";

  EXPECT_EQ(ConsumerValueOf("group.protocol", ""), "classic");
  EXPECT_EQ(ConsumerValueOf("group.instance.id", ""), "");
  EXPECT_EQ(ConsumerValueOf("group.instance.id"), "pod-1");
}

TEST_F(KafkaGroupOptionsTest, WhoReadsToAnEndIsToldOfItAndIsNoStaticMember) {
  options_.static_member = "pod-1";

  EXPECT_EQ(ConsumerValueOf("group.instance.id", "g", true), "");
  EXPECT_EQ(ConsumerValueOf("enable.partition.eof", "g", true), "true");
  EXPECT_EQ(ConsumerValueOf("enable.partition.eof"), "false");
}

TEST_F(KafkaGroupOptionsTest, TheSessionIsWhatThePropertySaysElseTheOption) {
  EXPECT_EQ(SessionTimeoutOf(options_), std::chrono::seconds(45));
  options_.session_timeout = std::chrono::seconds(6);
  EXPECT_EQ(SessionTimeoutOf(options_), std::chrono::seconds(6));
  options_.properties = {{"session.timeout.ms", "7000"}};
  EXPECT_EQ(SessionTimeoutOf(options_), std::chrono::seconds(7));
}

TEST_F(KafkaOptionsTest, WhatIsFetchedAheadIsSharedByThePartitionsWithinBounds) {
  constexpr std::uint64_t kMiB = 1 << 20;

  EXPECT_EQ(FetchBytesFor(8 * kMiB, 8), kMiB);
  EXPECT_EQ(FetchBytesFor(8 * kMiB, 0), 4 * kMiB);
  EXPECT_EQ(FetchBytesFor(8 * kMiB, 128), 64u * 1024);
  EXPECT_EQ(FetchBytesFor(8 * kMiB, 129), 0u) << "does not fit";
  EXPECT_EQ(FetchBytesFor(0, 1), 4 * kMiB) << "no bound";
}

}  // namespace
}  // namespace sidebus
