#include "server/registry/registry_url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sidebus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RegistryUrlTest, KeepsThePathAndJoinsWithOneSlash) {
  for (const char* text : {"http://r:8081/apis/ccompat/v7", "http://r:8081/apis/ccompat/v7//"}) {
    const RegistryUrl url = RegistryUrl::Parse(text).value();

    EXPECT_EQ(url.TextOf(SchemaId(5)), "http://r:8081/apis/ccompat/v7/schemas/ids/5");
    EXPECT_EQ(url.SubjectOf("s"), "http://r:8081/apis/ccompat/v7/subjects/s");
    EXPECT_EQ(url.VersionsOf("s"), "http://r:8081/apis/ccompat/v7/subjects/s/versions");
  }
}

TEST(RegistryUrlTest, NeedsNoPath) {
  for (const char* text : {"https://registry", "https://registry/"}) {
    EXPECT_EQ(RegistryUrl::Parse(text)->TextOf(SchemaId(5)), "https://registry/schemas/ids/5");
  }
}

TEST(RegistryUrlTest, EncodesASubjectIntoOneSegment) {
  const RegistryUrl url = RegistryUrl::Parse("http://r").value();

  EXPECT_EQ(url.SubjectOf("dev-a.b_c~d-value"), "http://r/subjects/dev-a.b_c~d-value");
  EXPECT_EQ(url.SubjectOf("a/b c%?#&+"), "http://r/subjects/a%2Fb%20c%25%3F%23%26%2B");
  EXPECT_EQ(url.SubjectOf("ü\n"), "http://r/subjects/%C3%BC%0A");
}

TEST(RegistryUrlTest, TakesIpv6) {
  EXPECT_EQ(RegistryUrl::Parse("http://[::1]:8081")->TextOf(SchemaId(1)),
            "http://[::1]:8081/schemas/ids/1");
}

TEST(RegistryUrlTest, RefusesWhatIsNoUrlOfARegistry) {
  for (const char* text :
       {"", "registry:8081", "registry", "/path", "ftp://r", "file:///etc/passwd", "http://",
        "http://r:99999", "http://r/?a=b", "http://r/#a", "http://a b/"}) {
    const auto url = RegistryUrl::Parse(text);

    ASSERT_FALSE(url.ok()) << text;
    EXPECT_THAT(std::string(url.status().message()), HasSubstr("schema_registry.url ")) << text;
  }
}

TEST(RegistryUrlTest, RefusesCredentialsAndDoesNotRepeatThem) {
  for (const char* text : {"http://me:secret@r", "http://me@r", "http://:secret@r"}) {
    const std::string message(RegistryUrl::Parse(text).status().message());

    EXPECT_THAT(message, HasSubstr("username_file and password_file")) << text;
    EXPECT_THAT(message, Not(HasSubstr("secret"))) << text;
  }
}

}  // namespace
}  // namespace sidebus
