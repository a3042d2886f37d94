#include "server/admin/gzip.h"

#define ZLIB_CONST  // what it reads it does not change
#include <zlib.h>

#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace sidebus {
namespace {

constexpr int kGzipFormat = 16;  // added to the window's bits: a header of gzip, not of zlib
constexpr int kMemoryLevel = 8;  // zlib's default

bool IsRefused(absl::string_view parameter) {
  parameter = absl::StripAsciiWhitespace(parameter);
  double quality = 1;
  return absl::StartsWithIgnoreCase(parameter, "q=") &&
         absl::SimpleAtod(parameter.substr(2), &quality) && quality <= 0;
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  const absl::string_view header(accept_encoding.data(), accept_encoding.size());
  for (const absl::string_view coding : absl::StrSplit(header, ',')) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(coding, absl::MaxSplits(';', 1));
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts.first), "gzip")) {
      return !IsRefused(parts.second);
    }
  }
  return false;
}

std::optional<std::string> Gzip(std::string_view text) {
  if (text.size() > std::numeric_limits<uInt>::max()) return std::nullopt;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + kGzipFormat, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<const Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int end = deflate(&stream, Z_FINISH);  // the bound leaves room for all of it
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (end != Z_STREAM_END) return std::nullopt;
  return packed;
}

}  // namespace sidebus
