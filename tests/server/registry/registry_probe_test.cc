#include "server/registry/registry_probe.h"

#include <gmock/gmock.h>

#include "tests/server/registry/http_registry_fixture.h"

namespace sidebus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RegistryProbeTest : public HttpRegistryFixture {
 protected:
  RegistryFacts Ask() { return RegistryProbe::Start(options_).value()->Wait(); }
};

TEST_F(RegistryProbeTest, AsksForTheNamesOfSubjectsUnderThePathOfTheUrl) {
  ServeAnswer(HttpAnswerText(200, R"(["dev-orders-value"])"));
  options_.url += "/apis/ccompat/v7/";

  const RegistryFacts facts = Ask();

  EXPECT_EQ(server_->requests().at(0).line, "GET /apis/ccompat/v7/subjects HTTP/1.1");
  EXPECT_TRUE(facts.answered);
  EXPECT_THAT(facts.subjects.value(), ElementsAre("dev-orders-value"));
  EXPECT_FALSE(facts.its_time.has_value());
}

TEST_F(RegistryProbeTest, TellsTheTimeOfTheServerAlsoWhereItRefuses) {
  ServeAnswer(HttpAnswerText(401, "", "DATE: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));

  const RegistryFacts facts = Ask();

  EXPECT_TRUE(facts.answered);
  EXPECT_THAT(std::string(facts.subjects.status().message()), HasSubstr("credentials"));
  EXPECT_EQ(facts.its_time.value(), std::chrono::system_clock::from_time_t(784'111'777));
}

TEST_F(RegistryProbeTest, SaysThatNobodyAnswers) {
  ServeText();
  server_.reset();  // its port is free now

  const RegistryFacts facts = Ask();

  EXPECT_FALSE(facts.answered);
  EXPECT_THAT(std::string(facts.subjects.status().message()), HasSubstr("nobody answers"));
}

TEST_F(RegistryProbeTest, EndsWithItsTimeWhenNoAnswerComes) {
  Serve([](const Request&, Connection& connection) { connection.WaitUntilGone(); });
  options_.http.timeout = kShort;

  const RegistryFacts facts = Ask();

  EXPECT_FALSE(facts.answered);
  EXPECT_THAT(std::string(facts.subjects.status().message()), HasSubstr("no answer in time"));
}

TEST_F(RegistryProbeTest, SaysWhichKeyIsWrongBeforeItAsks) {
  options_.url = "ftp://registry";

  EXPECT_THAT(std::string(RegistryProbe::Start(options_).status().message()),
              HasSubstr("schema_registry.url"));
}

}  // namespace
}  // namespace sidebus
