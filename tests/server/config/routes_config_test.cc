// `routes`: what single routes have of their own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/config/config_print.h"
#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kRoutes[] =
    "broker: {kind: embedded}\n"
    "schema_registry: {url: \"http://r\"}\n"
    "producer_config:\n"
    "  order.created:\n"
    "    orders: {event_key_field: \"\", enabled: true}\n"
    "    audit: {event_key_field: \"\", enabled: true}\n";

TEST(RoutesConfigTest, ARouteMayHaveItsOwnEncodingAndSchema) {
  const ConfigFiles files;

  const ConfigReading reading =
      files.Read(std::string(kRoutes) +
                 "routes:\n  order.created:\n    audit: {encoding: openedx, schema: a.avsc, "
                 "partitioner: consistent_random}\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  const Config& config = reading.loaded->config;
  const RouteConfig& orders = config.producer_config[0].routes[0];
  const RouteConfig& audit = config.producer_config[0].routes[1];
  EXPECT_THAT(config.EncodingOf(orders), Eq(RecordEncoding::kCloudEvents));
  EXPECT_THAT(config.EncodingOf(audit), Eq(RecordEncoding::kOpenedx));
  EXPECT_THAT(audit.schema_file, Eq(files.directory() + "/a.avsc"));
  EXPECT_TRUE(config.has_openedx());
  EXPECT_THAT(ConfigAsJson(*reading.loaded),
              HasSubstr(R"("routes": {"order.created": {"audit": {"encoding": "openedx", )"
                        R"("schema": ")" +
                        files.directory() + R"(/a.avsc"}}})"));
}

TEST(RoutesConfigTest, WithoutThemNothingIsShownAndEverythingIsEncodedAlike) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(std::string(kRoutes) + "routes: {}\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_FALSE(reading.loaded->config.has_openedx());
  EXPECT_THAT(ConfigAsJson(*reading.loaded), Not(HasSubstr("\"routes\": {\"order")));
}

TEST(RoutesConfigTest, WhatIsWrongIsToldWithItsPlaceAndTheWayOut) {
  struct Case {
    std::string routes;
    std::string path;
    std::string what;
  };
  const ConfigFiles files;
  for (const Case& bad : {
           Case{"[]", "routes", "expected a map from event type to topics, found a list"},
           Case{"{order.created: x}", "routes.order.created", "expected a map from topic"},
           Case{"{order.created: {audit: x}}", "routes.order.created.audit", "expected a map with"},
           Case{"{order.creatd: {audit: {}}}", "routes.order.creatd.audit",
                "no such event type; did you mean order.created?"},
           Case{"{order.created: {audti: {}}}", "routes.order.created.audti",
                "no such topic of this event type; did you mean audit?"},
           Case{"{order.created: {other: {}}}", "routes.order.created.other",
                "remove it, or add it there"},
           Case{"{order.created: {audit: {encoding: avro}}}", "routes.order.created.audit.encoding",
                "expected one of cloudevents, openedx; found \"avro\""},
           Case{"{order.created: {audit: {partitioner: murmur2_random}}}",
                "routes.order.created.audit.partitioner", "not supported by this version"},
           Case{"{order.created: {audit: {schema: a.avsc}}}", "routes.order.created.audit.schema",
                "records of CloudEvents have no schema; write encoding: openedx"},
           Case{"{order.created: {audit: {encoding: openedx, schema: \"\"}}}",
                "routes.order.created.audit.schema", "expected the name of a file"},
           Case{"{order.created: {audit: {encodin: openedx}}}",
                "routes.order.created.audit.encodin", "did you mean encoding?"},
       }) {
    const ConfigReading reading = files.Read(kRoutes + ("routes: " + bad.routes) + "\n");

    EXPECT_THAT(
        reading.problems,
        ElementsAre(AllOf(Field(&ConfigProblem::path, bad.path), Field(&ConfigProblem::line, 7),
                          Field(&ConfigProblem::what, HasSubstr(bad.what)))))
        << bad.routes;
  }
}

TEST(RoutesConfigTest, OneRouteOfOpenEdxIsEnoughToNeedARegistry) {
  const ConfigFiles files;

  const ConfigReading reading = files.Read(
      "broker: {kind: embedded}\nproducer_config: {a: {t: {event_key_field: \"\", enabled: "
      "true}}}\n"
      "routes: {a: {t: {encoding: openedx}}}\n");

  EXPECT_THAT(
      reading.problems,
      ElementsAre(AllOf(Field(&ConfigProblem::path, "routes.a.t.encoding"),
                        Field(&ConfigProblem::line, 3),
                        Field(&ConfigProblem::what, HasSubstr("needs a schema registry")))));
}

}  // namespace
}  // namespace sidebus
