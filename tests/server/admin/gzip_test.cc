#include "server/admin/gzip.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/server/admin/unpacked.h"

namespace sidebus {
namespace {

TEST(AcceptsGzipTest, WhereItIsNamed) {
  for (const char* header :
       {"gzip", "GZIP", "deflate, gzip", "gzip;q=0.5", "br;q=1.0, gzip ; q=0.001 , *;q=0"}) {
    EXPECT_TRUE(AcceptsGzip(header)) << header;
  }
}

TEST(AcceptsGzipTest, NotWhereItIsRefusedOrNotNamed) {
  for (const char* header :
       {"", "*", "br, deflate", "identity", "gzip;q=0", "gzip; q=0.000", "xgzip", ",;,"}) {
    EXPECT_FALSE(AcceptsGzip(header)) << header;
  }
}

TEST(GzipTest, WhatIsPackedIsTheSameUnpacked) {
  std::mt19937 random(1);
  for (const std::size_t size : {0u, 1u, 100u, 1u << 20}) {
    std::string noise(size, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());

    EXPECT_EQ(Unpacked(Gzip(noise).value()), noise) << size;
    EXPECT_EQ(Unpacked(Gzip(std::string(size, 'x')).value()), std::string(size, 'x')) << size;
  }
}

}  // namespace
}  // namespace sidebus
