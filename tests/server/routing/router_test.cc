#include "server/routing/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;
using ::testing::SizeIs;

std::shared_ptr<const Router> MakeRouter(const ProducerConfig& config,
                                         std::string_view prefix = "") {
  auto router = Router::Make(config, prefix);
  EXPECT_TRUE(router.ok()) << router.status();
  return *router;
}

std::string FaultOf(const ProducerConfig& config, std::string_view prefix = "") {
  const auto router = Router::Make(config, prefix);
  EXPECT_FALSE(router.ok());
  return std::string(router.status().message());
}

TEST(RouterTest, ARouteHasItsOwnEncodingOrThatOfAllAndATopicThatOfItsRoutes) {
  const ProducerConfig config = {
      {"a", {{"plain", "", true}, {"avro", "", true, RecordEncoding::kOpenedx}}},
      {"b", {{"avro", "", true, RecordEncoding::kCloudEvents}, {"b", "", false}}}};

  const auto router = *Router::Make(config, "dev", RecordEncoding::kCloudEvents);

  EXPECT_THAT(router->Find("a")->FindTopic("plain")->encoding, Eq(RecordEncoding::kCloudEvents));
  EXPECT_THAT(router->Find("a")->FindTopic("avro")->encoding, Eq(RecordEncoding::kOpenedx));
  EXPECT_TRUE(router->has_openedx());
  EXPECT_FALSE(router->MayHaveOpenedx("plain"));
  EXPECT_TRUE(router->MayHaveOpenedx("avro"));
  EXPECT_TRUE(router->MayHaveOpenedx("avro.group.dead")) << "no route goes to it";

  const auto all = *Router::Make(config, "dev", RecordEncoding::kOpenedx);
  EXPECT_THAT(all->Find("a")->FindTopic("plain")->encoding, Eq(RecordEncoding::kOpenedx));
  EXPECT_THAT(all->Find("b")->FindTopic("avro")->encoding, Eq(RecordEncoding::kCloudEvents));
  EXPECT_FALSE(MakeRouter(ProducerConfig())->MayHaveOpenedx("any"));
}

TEST(RouterTest, GivesTheRoutesOfATypeInFanOutOrder) {
  const auto router = MakeRouter({{"order.created", {{"z", "", true}, {"a", "order.id", false}}},
                                  {"order.paid", {{"payments", "", true}}}});

  const EventTypeRoutes* routes = router->Find("order.created");

  ASSERT_THAT(routes, NotNull());
  EXPECT_THAT(routes->routes, ElementsAre(Field(&Route::topic, "z"), Field(&Route::topic, "a")));
  EXPECT_TRUE(routes->routes[0].enabled);
  EXPECT_FALSE(routes->routes[0].key_path.has_value());
  EXPECT_FALSE(routes->routes[1].enabled);
  EXPECT_THAT(routes->routes[1].key_path->text(), Eq("order.id"));
}

TEST(RouterTest, DoesNotFindATypeThatIsNotConfigured) {
  const auto router = MakeRouter({{"order.created", {{"orders", "", true}}}});

  for (const std::string_view type : {"", "order", "order.created ", "Order.created", "orders"}) {
    EXPECT_THAT(router->Find(type), IsNull()) << type;
  }
}

TEST(RouterTest, FindsARouteByItsUnprefixedTopic) {
  const auto router = MakeRouter({{"a", {{"x", "", true}, {"y", "", true}}}}, "dev");

  EXPECT_THAT(router->Find("a")->FindTopic("y"), Eq(&router->Find("a")->routes[1]));
  EXPECT_THAT(router->Find("a")->FindTopic("dev-y"), IsNull());
}

TEST(RouterTest, APrefixIsPutBeforeEveryTopicExactlyOnce) {
  const auto router = MakeRouter({{"a", {{"x", "", true}, {"dev-x", "", true}}}}, "dev");

  EXPECT_THAT(router->Find("a")->routes, ElementsAre(Field(&Route::full_topic, "dev-x"),
                                                     Field(&Route::full_topic, "dev-dev-x")));
  EXPECT_THAT(router->FullTopicOf("y"), Eq("dev-y"));
  EXPECT_THAT(router->topic_prefix(), Eq("dev"));
}

TEST(RouterTest, WithoutAPrefixTheTopicIsTheFullTopic) {
  EXPECT_THAT(MakeRouter({{"a", {{"x", "", true}}}})->Find("a")->routes[0].full_topic, Eq("x"));
}

TEST(RouterTest, ATypeWithoutTopicsIsKnown) {
  const auto router = MakeRouter({{"a", {}}});

  ASSERT_THAT(router->Find("a"), NotNull());
  EXPECT_THAT(router->Find("a")->routes, SizeIs(0));
}

TEST(RouterTest, ADisabledRouteWithoutATopicIsLeftOut) {
  EXPECT_THAT(MakeRouter({{"a", {{"", "", false}}}})->Find("a")->routes, SizeIs(0));
}

TEST(RouterTest, AnEnabledRouteWithoutATopicIsRefused) {
  EXPECT_THAT(FaultOf({{"a", {{"", "", true}}}}), HasSubstr("no name"));
}

TEST(RouterTest, TopicNamesThatKafkaRefusesAreRefused) {
  for (const std::string& topic :
       {std::string("."), std::string(".."), std::string("a b"), std::string("a/b"),
        std::string("\xc3\xa9"), std::string("a\n"), std::string(250, 'a')}) {
    EXPECT_THAT(FaultOf({{"t", {{topic, "", false}}}}), HasSubstr("event type \"t\"")) << topic;
  }
}

TEST(RouterTest, TheLimitOfATopicNameCountsThePrefix) {
  const std::string topic(245, 'a');

  MakeRouter({{"t", {{topic, "", true}}}}, "dev");
  EXPECT_THAT(FaultOf({{"t", {{topic, "", true}}}}, "prod"), HasSubstr("250"));
}

TEST(RouterTest, OddButLegalTopicNamesAreTaken) {
  MakeRouter({{"t", {{"__consumer_offsets", "", true}, {"...", "", true}, {"A-1_b.c", "", true}}}});
}

TEST(RouterTest, AKeyFieldWithAnEmptyNameIsTakenAsOpenEdxTakesIt) {
  MakeRouter({{"t", {{"x", "a..b", false}, {"y", ".", true}}}});
}

TEST(RouterTest, ATypeOrTopicThatComesTwiceIsRefused) {
  EXPECT_THAT(FaultOf({{"t", {}}, {"t", {}}}), HasSubstr("twice"));
  EXPECT_THAT(FaultOf({{"t", {{"x", "", true}, {"x", "", false}}}}), HasSubstr("twice"));
}

TEST(RouterTest, AllFaultsAreReportedAtOnce) {
  const std::string faults = FaultOf({{"t", {{"a b", "", true}}}, {"u", {{"c d", "", true}}}});

  EXPECT_THAT(faults, HasSubstr("\"t\""));
  EXPECT_THAT(faults, HasSubstr("\"u\""));
}

}  // namespace
}  // namespace sidebus
