#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace sidebus {

// What was packed by gzip. Fails the test, and gives "", when it was not.
inline std::string Unpacked(std::string packed) {
  z_stream stream{};
  std::string text(64 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  constexpr int kGzipOnly = 16;
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + kGzipOnly), Z_OK);
  const int end = inflate(&stream, Z_FINISH);
  EXPECT_EQ(end, Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0u) << "nothing follows";
  text.resize(end == Z_STREAM_END ? stream.total_out : 0);
  inflateEnd(&stream);
  return text;
}

}  // namespace sidebus
