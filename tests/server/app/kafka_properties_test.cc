// What the Kafka room keeps for itself and what the configuration lets pass are two lists: rooms know
// nothing of each other, and the configuration refuses more.
#include "server/config/kafka_properties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/broker/kafka/kafka_options.h"

namespace sidebus {
namespace {

TEST(KafkaPropertiesTest, TheConfigurationLetsNothingPassThatTheKafkaRoomKeepsForItself) {
  for (const std::string_view name : ReservedProperties()) {
    EXPECT_THAT(WhyRefused(name, ""), testing::Not(testing::IsEmpty())) << name;
  }
}

}  // namespace
}  // namespace sidebus
