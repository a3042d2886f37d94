#include <gmock/gmock.h>

#include <cstdlib>

#include "tests/server/registry/http_registry_fixture.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class HttpRegistrySecretsTest : public HttpRegistryFixture {
 protected:
  void SetCredentials(const std::string& username, const std::string& password) {
    options_.http.username_file = File(username);
    options_.http.password_file = File(password);
  }

  std::string MakeError() {
    const auto made = HttpRegistry::Make(options_);
    return made.ok() ? "" : std::string(made.status().message());
  }
};

TEST_F(HttpRegistrySecretsTest, CredentialsComeFromFiles) {
  ServeText();
  SetCredentials("me\n", "secret\r\n");

  EXPECT_TRUE(FindText().ok());

  EXPECT_THAT(server_->requests().at(0).head, HasSubstr("Authorization: Basic bWU6c2VjcmV0\r\n"));
}

TEST_F(HttpRegistrySecretsTest, WithoutFilesThereAreNone) {
  ServeText();

  EXPECT_TRUE(FindText().ok());

  EXPECT_THAT(server_->requests().at(0).head, Not(HasSubstr("Authorization")));
}

TEST_F(HttpRegistrySecretsTest, ANewPasswordIsUsedWithoutARestart) {
  ServeText();
  SetCredentials("me", "old");
  EXPECT_TRUE(FindText().ok());

  Write(options_.http.password_file, "new");
  EXPECT_TRUE(FindText().ok());

  EXPECT_THAT(server_->requests().at(1).head, HasSubstr("Authorization: Basic bWU6bmV3\r\n"));
}

TEST_F(HttpRegistrySecretsTest, AFileThatIsGoneIsAnOutageAndNothingIsSentWithoutIt) {
  ServeText();
  SetCredentials("me", "secret");
  EXPECT_TRUE(FindText().ok());

  unlink(options_.http.password_file.c_str());

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("schema_registry.password_file"));
  EXPECT_EQ(server_->requests().size(), 1u);
}

TEST_F(HttpRegistrySecretsTest, RefusedCredentialsAreNotInTheMessage) {
  ServeAnswer(HttpAnswerText(401, R"({"error_code":401,"message":"not secret"})"));
  SetCredentials("somebody", "secret");

  const std::string why = WhyDown(FindText());

  EXPECT_THAT(why, HasSubstr("check schema_registry.username_file and password_file"));
  EXPECT_THAT(why, Not(HasSubstr("secret\"")));
  EXPECT_THAT(why, Not(HasSubstr("somebody")));
}

TEST_F(HttpRegistrySecretsTest, ARedirectIsAnOutageAndNotFollowed) {
  FakeHttpServer elsewhere([](const Request&, Connection& connection) {
    connection.Send(HttpAnswerText(200, R"({"schema":"{}"})"));
  });
  for (const int status : {301, 302, 303, 307, 308}) {
    registry_.reset();
    ServeAnswer(HttpAnswerText(status, "", "Location: " + elsewhere.url() + "/\r\n"));
    SetCredentials("me", "secret");

    EXPECT_THAT(WhyDown(FindText()), HasSubstr("redirects"));
  }
  EXPECT_THAT(elsewhere.requests(), IsEmpty());
}

TEST_F(HttpRegistrySecretsTest, AProxyOfTheEnvironmentIsNotUsed) {
  FakeHttpServer proxy([](const Request&, Connection& connection) { connection.Close(); });
  setenv("http_proxy", proxy.url().c_str(), 1);
  setenv("all_proxy", proxy.url().c_str(), 1);
  ServeText();

  EXPECT_TRUE(FindText().ok());

  EXPECT_THAT(proxy.requests(), IsEmpty());
  unsetenv("http_proxy");
  unsetenv("all_proxy");
}

TEST_F(HttpRegistrySecretsTest, WhatCannotWorkIsAnErrorAtTheStart) {
  options_.url = "http://localhost:1";
  options_.http.username_file = File("me");
  EXPECT_THAT(MakeError(), HasSubstr("belong together"));

  options_.http.password_file = "/does/not/exist";
  EXPECT_THAT(MakeError(), HasSubstr("schema_registry.password_file: the file cannot be opened"));

  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("two\nlines"), std::string(5000, 'x')}) {
    options_.http.password_file = File(content);
    EXPECT_THAT(MakeError(), HasSubstr("schema_registry.password_file: the file ")) << content;
  }

  options_.http.password_file = File("secret");
  options_.http.ca_file = "/does/not/exist";
  EXPECT_THAT(MakeError(), HasSubstr("schema_registry.ca_file"));
}

TEST_F(HttpRegistrySecretsTest, TlsTrustsTheCertificatesOfTheFile) {
  const auto identity = FakeHttpServer::MakeIdentity("IP:127.0.0.1");
  Serve([](const Request&,
           Connection& connection) { connection.Send(HttpAnswerText(200, R"({"schema":"{}"})")); },
        identity);
  options_.http.ca_file = File(identity.certificate);
  SetCredentials("me", "secret");

  EXPECT_EQ(FindText().value(), "{}");
}

TEST_F(HttpRegistrySecretsTest, TlsSendsNothingToOneWhomNobodyTrusts) {
  for (const std::string& ca :
       {std::string(), FakeHttpServer::MakeIdentity("IP:127.0.0.1").certificate}) {
    registry_.reset();
    Serve([](const Request&, Connection&) {}, FakeHttpServer::MakeIdentity("IP:127.0.0.1"));
    options_.http.ca_file = ca.empty() ? "" : File(ca);
    SetCredentials("me", "secret");

    EXPECT_THAT(WhyDown(FindText()), HasSubstr("its certificate is"));
    EXPECT_THAT(server_->requests(), IsEmpty());
  }
}

TEST_F(HttpRegistrySecretsTest, TlsSendsNothingToAnotherHost) {
  const auto identity = FakeHttpServer::MakeIdentity("DNS:registry.example.org");
  Serve([](const Request&, Connection&) {}, identity);
  options_.http.ca_file = File(identity.certificate);

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("its certificate is not for that host"));
  EXPECT_THAT(server_->requests(), IsEmpty());
}

}  // namespace
}  // namespace sidebus
