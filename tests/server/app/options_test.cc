#include "server/app/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/publish/parsed_schemas.h"
#include "server/subscribe/writer_schemas.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;

TEST(OptionsTest, NoPartOfTheMemoryIsGivenTwice) {
  for (const std::uint64_t total : {std::uint64_t{1} << 20, std::uint64_t{128} << 20}) {
    const MemoryShares shares = ShareMemory(total);

    EXPECT_LE(shares.publish + shares.subscribe + shares.dead_letters + shares.schemas, total);
    EXPECT_GE(shares.publish, total * 29 / 100);
    EXPECT_LE(shares.subscribe, total / 2);
  }
}

// CheckConfig() compares with limits.memory / 10 * 3 and / 2.
TEST(OptionsTest, WhatTheConfigurationLetsPassFits) {
  constexpr std::uint64_t kTotal = (16 << 20) + 99;

  EXPECT_EQ(ShareMemory(kTotal).publish, kTotal / 10 * 3);
  EXPECT_EQ(ShareMemory(kTotal).subscribe, kTotal / 2);
}

// CheckConfig() asks for 64 MiB where there is a schema registry.
TEST(OptionsTest, TheSchemasFitIntoTheirPartAlsoWhenItIsTheLeast) {
  Config config;
  config.encoding = RecordEncoding::kOpenedx;
  for (const std::uint64_t total : {std::uint64_t{64} << 20, std::uint64_t{128} << 20}) {
    config.limits.memory = total;
    const std::uint64_t part = ShareMemory(total).schemas;

    const SchemaCacheOptions cache = SchemaCacheOptionsOf(config);
    const std::size_t events = PublisherOptionsOf(config).openedx->schema_bytes;
    const std::size_t records = SubscribeOptionsOf(config).schema_bytes;

    EXPECT_LE(3 * cache.max_bytes + cache.max_asked_bytes + events + records, part);
    EXPECT_GE(records, WriterSchemas::kLeastBytes);
    EXPECT_GE(events, ParsedSchemas::BytesOf(AvroSchema::kMaxTextBytes));
    EXPECT_GE(cache.max_bytes, 2 * AvroSchema::kMaxTextBytes + 1000);
  }
}

TEST(OptionsTest, EveryTopicOfTheProducerConfigIsNamedOnceWithItsPrefix) {
  const ProducerConfig config = {
      {"b.v1", {{"shared", "", true}, {"own", "", false}}},
      {"a.v1", {{"shared", "", true}}},
  };
  const auto router = Router::Make(config, "dev");
  ASSERT_TRUE(router.ok());

  EXPECT_THAT(FullTopicsOf(**router), ElementsAre("dev-own", "dev-shared"));
}

TEST(OptionsTest, ATypeNeedsASchemaWhereOneOfItsRoutesIsOpenEdxsAndHasNone) {
  constexpr auto kOpenedx = RecordEncoding::kOpenedx;
  Config config;
  config.producer_config = {{"plain", {{"a", "", true}}},
                            {"avro", {{"a", "", true}, {"b", "", true, kOpenedx}}},
                            {"off", {{"a", "", true}, {"b", "", false, kOpenedx}}},
                            {"typed", {{"b", "", true, kOpenedx}}},
                            {"routed", {{"b", "", true, kOpenedx}, {"c", "", true, kOpenedx}}}};
  const auto schema = *AvroSchema::Parse("\"string\"");
  const OpenedxSchemas schemas = {.by_type = {{"typed", schema}},
                                  .by_route = {{{"routed", "b"}, schema}}};
  const auto router = *Router::Make(config.producer_config, "", config.encoding);

  EXPECT_THAT(RpcServerOptionsOf(config, *router, schemas).description.need_schema,
              ElementsAre("avro", "routed"));
  EXPECT_TRUE(PublisherOptionsOf(config, schemas).openedx.has_value());
}

TEST(OptionsTest, TheConfiguredLimitsReachThePartsThatKeepThem) {
  Config config;
  config.source = "/test";
  config.limits.max_event_bytes = 7;
  config.publish.timeout = std::chrono::seconds(3);
  config.limits.max_streams = 5;
  config.subscribe.max_window = {11, 13};
  config.subscribe.max_attempts = 17;

  const PublisherOptions publisher = PublisherOptionsOf(config);
  const SubscribeOptions subscribe = SubscribeOptionsOf(config);

  EXPECT_EQ(publisher.source, "/test");
  EXPECT_EQ(publisher.max_event_bytes, 7u);
  EXPECT_EQ(publisher.timeout, std::chrono::seconds(3));
  EXPECT_EQ(subscribe.max_streams, 5u);
  EXPECT_EQ(subscribe.max_window, (Window{11, 13}));
  EXPECT_EQ(subscribe.retry.max_attempts, 17u);
}

}  // namespace
}  // namespace sidebus
