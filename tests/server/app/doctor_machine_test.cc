#include "server/app/doctor_machine.h"

#include <gtest/gtest.h>

#include "tests/server/config/config_files.h"

namespace sidebus {
namespace {

class MemoryLimitTest : public ::testing::Test {
 protected:
  std::optional<std::uint64_t> Limit(const std::string& groups) {
    return MemoryLimit(files_.Write("cgroup", groups), files_.directory() + "/mounts");
  }

  const ConfigFiles files_;
};

TEST_F(MemoryLimitTest, IsTheLeastOfAGroupAndThoseAboveIt) {
  files_.Write("mounts/pod/app/memory.max", "max\n");
  files_.Write("mounts/pod/memory.max", "1000\n");
  files_.Write("mounts/memory.max", "2000\n");

  EXPECT_EQ(Limit("0::/pod/app\n"), 1000u);
}

TEST_F(MemoryLimitTest, IsTheOneOfTheMountWhereThePathIsOfAnotherPlace) {
  files_.Write("mounts/memory.max", "3000\n");

  EXPECT_EQ(Limit("0::/not/seen/from/here\n"), 3000u);
  EXPECT_EQ(Limit("0::/\n"), 3000u);
}

TEST_F(MemoryLimitTest, OfTheFirstVersionIsFoundBesideTheSecond) {
  files_.Write("mounts/memory/pod/memory.limit_in_bytes", "4000\n");
  files_.Write("mounts/memory/memory.limit_in_bytes", "9223372036854771712\n");

  EXPECT_EQ(Limit("5:cpu,cpuacct:/x\n4:memory:/pod\n0::/pod\n"), 4000u);
}

TEST_F(MemoryLimitTest, IsNoneWhereNothingSaysOne) {
  files_.Write("mounts/memory.max", "max\n");

  EXPECT_EQ(Limit("0::/pod\n"), std::nullopt);
  EXPECT_EQ(Limit("nonsense\n:\n"), std::nullopt);
  EXPECT_EQ(MemoryLimit(files_.directory() + "/none", files_.directory()), std::nullopt);
}

}  // namespace
}  // namespace sidebus
