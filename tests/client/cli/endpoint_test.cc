#include "client/cli/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus::cli {
namespace {

using ::testing::HasSubstr;

TEST(EndpointTest, IsATcpAddressOrTheAbsolutePathOfASocket) {
  EXPECT_EQ(*TargetOf("127.0.0.1:7420"), "dns:///127.0.0.1:7420");
  EXPECT_EQ(*TargetOf("gateway.example:1"), "dns:///gateway.example:1");
  EXPECT_EQ(*TargetOf("[::1]:65535"), "dns:///[::1]:65535");
  EXPECT_EQ(*TargetOf("unix:/run/sidebus.sock"), "unix:/run/sidebus.sock");
  EXPECT_EQ(*TargetOf("unix:///run/sidebus.sock"), "unix:/run/sidebus.sock");
}

struct BadEndpoint {
  const char* text;
  const char* why;
};
class BadEndpointTest : public ::testing::TestWithParam<BadEndpoint> {};

TEST_P(BadEndpointTest, IsRefusedWithTheReasonAndAnExample) {
  const auto target = TargetOf(GetParam().text);

  ASSERT_FALSE(target.ok());
  EXPECT_THAT(std::string(target.status().message()), HasSubstr(GetParam().why));
  EXPECT_THAT(std::string(target.status().message()), HasSubstr("127.0.0.1:7420"));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, BadEndpointTest,
    ::testing::Values(
        BadEndpoint{"", "no port"}, BadEndpoint{"localhost", "no port"},
        BadEndpoint{":7420", "no host"}, BadEndpoint{"localhost:", "1 to 65535"},
        BadEndpoint{"localhost:0", "1 to 65535"}, BadEndpoint{"localhost:65536", "1 to 65535"},
        BadEndpoint{"localhost:-1", "1 to 65535"}, BadEndpoint{"localhost:7420x", "1 to 65535"},
        BadEndpoint{"::1:7420", "in brackets"}, BadEndpoint{"http://localhost:7420", "a scheme"},
        BadEndpoint{"unix:run/s", "begins with /"}, BadEndpoint{"unix://run/s", "begins with /"},
        BadEndpoint{"unix:", "begins with /"}));

TEST(EndpointTest, TheFlagWinsOverTheVariableWhichWinsOverTheDefault) {
  EXPECT_EQ(ChooseEndpoint("flag:1", "variable:1"), "flag:1");
  EXPECT_EQ(ChooseEndpoint(std::nullopt, "variable:1"), "variable:1");
  EXPECT_EQ(ChooseEndpoint(std::nullopt, ""), "127.0.0.1:7420");
  EXPECT_EQ(ChooseEndpoint(std::nullopt, nullptr), "127.0.0.1:7420");
}

}  // namespace
}  // namespace sidebus::cli
