// `encoding`, `schema_registry` and `schemas`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kBroker[] = "broker: {kind: embedded}\n";

TEST(SchemasConfigTest, OpenedxHasARegistryAndFilesRelativeToTheFile) {
  const ConfigFiles files;

  const ConfigReading reading =
      files.Read(std::string(kBroker) +
                 "encoding: openedx\n"
                 "schema_registry:\n  url: http://registry:8081\n  username_file: user\n"
                 "  password_file: /run/password\n  timeout: 3s\n  register: never\n"
                 "schemas: {directory: .}\n");

  ASSERT_THAT(reading.problems, IsEmpty());
  const Config& config = reading.loaded->config;
  EXPECT_EQ(config.encoding, RecordEncoding::kOpenedx);
  EXPECT_EQ(config.schema_registry.url, "http://registry:8081");
  EXPECT_EQ(config.schema_registry.username_file, files.directory() + "/user");
  EXPECT_EQ(config.schema_registry.password_file, "/run/password");
  EXPECT_EQ(config.schema_registry.timeout, std::chrono::seconds(3));
  EXPECT_EQ(config.schema_registry.registering, RegisterSchemas::kNever);
  EXPECT_EQ(config.schemas_directory, files.directory() + "/.");
}

TEST(SchemasConfigTest, TheUrlMayComeFromTheFlag) {
  const ConfigFiles files;
  ConfigSources sources;
  sources.file = files.Write("c.yaml", std::string(kBroker) + "encoding: openedx\n");
  sources.overrides.schema_registry_url = "https://r/apis/ccompat/v7";

  const ConfigReading reading = ReadConfig(sources);

  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.loaded->config.schema_registry.url, "https://r/apis/ccompat/v7");
}

TEST(SchemasConfigTest, AUserAndAPasswordInTheUrlAreRefusedAndNotRepeated) {
  const ConfigFiles files;
  for (const std::string url :
       {"http://user:s3cret@registry:8081", "https://user:s3cret/x@registry",
        "user:s3cret@registry", "http:///user:s3cret@registry", "http://s3cret@registry/path"}) {
    ConfigSources sources;
    sources.file =
        files.Write("c.yaml", std::string(kBroker) + "schema_registry: {url: \"" + url + "\"}\n");
    const ConfigReading in_file = ReadConfig(sources);
    sources.file = files.Write("c.yaml", kBroker);
    sources.overrides.schema_registry_url = url;
    const ConfigReading in_flag = ReadConfig(sources);

    for (const ConfigReading& reading : {in_file, in_flag}) {
      EXPECT_FALSE(reading.loaded.has_value()) << url;
      std::string text;
      for (const ConfigProblem& problem : reading.problems) text += problem.ToString() + "\n";
      EXPECT_THAT(text, AllOf(HasSubstr("schema_registry.url: "), HasSubstr("password_file"),
                              Not(HasSubstr("s3cret"))))
          << url;
    }
  }
}

TEST(SchemasConfigTest, WhatContradictsItselfIsRefusedWithTheKeyAndTheWayOut) {
  struct Case {
    std::string text;
    std::string path;
    std::string what;
  };
  const ConfigFiles files;
  for (const Case& bad : {
           Case{"encoding: openedx", "encoding", "openedx needs a schema registry"},
           Case{"encoding: openedx\nschema_registry: {timeout: 1s}", "encoding", "{url: \"http"},
           Case{"encoding: avro", "encoding", "expected one of cloudevents, openedx"},
           Case{"schema_registry: {url: \"registry:8081\"}", "schema_registry.url",
                "expected http:// or https://"},
           Case{"schema_registry: {url: \"http://r\", username_file: /u}",
                "schema_registry.username_file", "comes without password_file"},
           Case{"schema_registry: {url: \"http://r\", password_file: /p}",
                "schema_registry.password_file", "comes without username_file"},
           Case{"schema_registry: {timeout: 1ms}", "schema_registry.timeout", "100ms"},
           Case{"schema_registry: {register: load}", "schema_registry.register",
                "neither is given; give one"},
           Case{"schema_registry: {register: later}", "schema_registry.register",
                "first_use, load, never"},
           Case{"limits: {memory: 32MiB, max_request_bytes: 1MiB}\npublish: {stream_in_flight: "
                "{bytes: 1MiB}}\nschema_registry: {url: \"http://r\"}",
                "limits.memory", "32MiB is too little with a schema registry"},
           Case{"schemas: {directory: /no/such}", "schemas.directory",
                "there is no directory /no/such"},
       }) {
    const ConfigReading reading = files.Read(kBroker + bad.text);

    EXPECT_THAT(
        reading.problems,
        ElementsAre(AllOf(Field(&ConfigProblem::path, bad.path), Field(&ConfigProblem::line, 2),
                          Field(&ConfigProblem::what, HasSubstr(bad.what)))))
        << bad.text;
  }
}

}  // namespace
}  // namespace sidebus
