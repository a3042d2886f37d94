#include "server/registry/http_registry.h"

#include <gmock/gmock.h>

#include "tests/server/registry/http_registry_fixture.h"

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class HttpRegistryTest : public HttpRegistryFixture {
 protected:
  absl::StatusOr<SchemaId> Register(const SubjectSchema& schema) {
    std::promise<absl::StatusOr<SchemaId>> promise;
    registry().Register(schema, [&](const auto& id) { promise.set_value(id); });
    return promise.get_future().get();
  }
};

TEST_F(HttpRegistryTest, AsksAsConfluentsApiWantsIt) {
  ServeAnswer(HttpAnswerText(200, R"({"id":5,"schema":"{}"})"));
  options_.url += "/apis/ccompat/v7/";

  EXPECT_EQ(FindText(7).value(), "{}");
  EXPECT_EQ(Register({"dev-orders/a b", R"({"a": "ü"})"}).value(), SchemaId(5));
  std::promise<absl::StatusOr<SchemaId>> found;
  registry().FindId({"s", "{}"}, [&](const auto& id) { found.set_value(id); });
  EXPECT_EQ(found.get_future().get().value(), SchemaId(5));

  const std::vector<Request> requests = server_->requests();
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_EQ(requests[0].line, "GET /apis/ccompat/v7/schemas/ids/7 HTTP/1.1");
  EXPECT_EQ(requests[1].line,
            "POST /apis/ccompat/v7/subjects/dev-orders%2Fa%20b/versions HTTP/1.1");
  EXPECT_EQ(requests[1].body, R"({"schema":"{\"a\": \"ü\"}"})");
  EXPECT_THAT(requests[1].head,
              HasSubstr("\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n"));
  EXPECT_EQ(requests[2].line, "POST /apis/ccompat/v7/subjects/s HTTP/1.1");
}

TEST_F(HttpRegistryTest, OneConnectionServesManyRequests) {
  ServeText();

  for (int i = 0; i < 5; ++i) EXPECT_TRUE(FindText().ok());

  EXPECT_EQ(server_->connections(), 1u);
}

TEST_F(HttpRegistryTest, AConnectionThatTheServerClosedIsReplaced) {
  Serve([](const Request&, Connection& connection) {
    connection.Send(HttpAnswerText(200, R"({"schema":"{}"})"));
    connection.Close();
  });

  for (int i = 0; i < 5; ++i) EXPECT_TRUE(FindText().ok());
}

TEST_F(HttpRegistryTest, ARefusedTextComesWithTheRegistrysMessage) {
  ServeAnswer(HttpAnswerText(409, R"({"error_code":409,"message":"field y has no default"})"));

  const absl::Status refused = Register({"orders-value", "{}"}).status();

  EXPECT_EQ(ReasonOf(refused), Reason::kSchemaIncompatible);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("field y has no default"));
}

TEST_F(HttpRegistryTest, AnIdThatItDoesNotKnowIsMissing) {
  ServeAnswer(HttpAnswerText(404, R"({"error_code":40403,"message":"Schema not found"})"));

  EXPECT_EQ(ReasonOf(FindText().status()), Reason::kSchemaMissing);
}

TEST_F(HttpRegistryTest, A404OfAServerThatIsNoRegistryIsAnOutage) {
  ServeAnswer(HttpAnswerText(404, "<html>not found</html>"));

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("check the path in schema_registry.url"));
}

TEST_F(HttpRegistryTest, FailuresAndRefusedCredentialsAreOutages) {
  for (const int status : {400, 401, 403, 405, 408, 429, 500, 502, 503, 504}) {
    registry_.reset();
    ServeAnswer(HttpAnswerText(status, R"({"error_code":50001,"message":"x"})"));

    EXPECT_THAT(WhyDown(FindText()), HasSubstr("HTTP status " + std::to_string(status)));
  }
}

TEST_F(HttpRegistryTest, NobodyThereIsAnOutage) {
  ServeText();
  server_.reset();

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("nobody answers at schema_registry.url"));
}

TEST_F(HttpRegistryTest, AServerThatNeverAnswersIsAnOutageAfterTheTimeOut) {
  Serve([](const Request&, Connection& connection) { connection.WaitUntilGone(); });
  options_.http.timeout = kShort;

  EXPECT_THAT(WhyDown(FindText()), HasSubstr("no answer in time"));
}

TEST_F(HttpRegistryTest, RequestsAreCountedByHowTheyWent) {
  Serve([](const Request& request, Connection& connection) {
    if (request.line.find("/ids/1 ") != std::string::npos) connection.WaitUntilGone();
    const int status = request.line.find("/ids/2 ") != std::string::npos ? 500 : 200;
    connection.Send(HttpAnswerText(status, R"({"schema":"{}"})"));
  });
  Metrics metrics;
  options_.http.timeout = kShort;
  registry_ = HttpRegistry::Make(options_, SchemaMetrics(metrics)).value();
  WhyDown(FindText(1));
  options_.http.timeout = kLong;
  registry_ = HttpRegistry::Make(options_, SchemaMetrics(metrics)).value();
  WhyDown(FindText(2));
  EXPECT_TRUE(FindText(3).ok());

  const std::string text = metrics.Serialize();
  for (const char* result : {"timeout", "error", "miss"}) {
    EXPECT_THAT(text, HasSubstr(std::string(R"(sidebus_schema_requests_total{op="find",result=")") +
                                result + "\"} 1"));
  }
}

TEST_F(HttpRegistryTest, DripsAreCutOffByTheSameTimeOut) {
  for (const std::string& before :
       {std::string(), std::string("HTTP/1.1 200 OK\r\nX-Long: "),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")}) {
    registry_.reset();
    Serve([before](const Request&, Connection& connection) {
      connection.Send(before);
      connection.Drip("HTTP/1.1 200 OK\r\nA: b\r\n");
    });
    options_.http.timeout = kShort;

    EXPECT_THAT(WhyDown(FindText()), HasSubstr("no answer in time")) << before;
  }
}

TEST_F(HttpRegistryTest, WhatIsNotHttpIsAnOutage) {
  for (const char* answer : {"\x16\x03\x01 garbage\r\n\r\n", "SSH-2.0-OpenSSH\r\n", "\r\n\r\n"}) {
    registry_.reset();
    Serve([answer](const Request&, Connection& connection) {
      connection.Send(answer);
      connection.Close();
    });

    WhyDown(FindText());
  }
}

TEST_F(HttpRegistryTest, AConnectionThatEndsBeforeTheAnswerDoesIsAnOutage) {
  for (const char* answer : {"", "HTTP/1.1 200 OK\r\nContent-Len",
                             "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"schema\":"}) {
    registry_.reset();
    Serve([answer](const Request&, Connection& connection) {
      connection.Send(answer);
      connection.Close();
    });

    WhyDown(FindText());
  }
}

TEST_F(HttpRegistryTest, JsonThatIsNoAnswerIsAnOutage) {
  for (const char* body : {"", "{}", "[]", "null", "{\"schema\":", "\xff\xff"}) {
    registry_.reset();
    ServeAnswer(HttpAnswerText(200, body));

    WhyDown(FindText());
  }
}

}  // namespace
}  // namespace sidebus
