#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sidebus::cli {

// Counts durations in log-linear buckets, 64 for each power of two of nanoseconds: what
// Percentile() says is at most 1.6 % above the truth. A value; no thread safety.
class LatencyHistogram {
 public:
  void Record(std::chrono::nanoseconds latency) {
    const auto nanos = static_cast<std::uint64_t>(latency.count() < 0 ? 0 : latency.count());
    ++counts_[BucketOf(nanos)];
    ++total_;
  }

  void Merge(const LatencyHistogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
  }

  // The smallest bucket bound that `percent` (0 to 100) of the values do not exceed; 0 without any.
  std::chrono::nanoseconds Percentile(double percent) const {
    const auto wanted = static_cast<std::uint64_t>(percent / 100 * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > 0 && seen >= wanted) return std::chrono::nanoseconds(UpperBound(i));
    }
    return std::chrono::nanoseconds(0);
  }

  std::uint64_t total() const { return total_; }

 private:
  static constexpr std::size_t kPerOctave = 64;
  static constexpr std::size_t kOctaves = 40;  // up to 19 hours

  static std::size_t BucketOf(std::uint64_t nanos) {
    if (nanos < kPerOctave) return static_cast<std::size_t>(nanos);
    const auto octave = static_cast<std::size_t>(std::bit_width(nanos)) - 7;  // of 64 steps each
    const std::size_t bucket = (octave + 1) * kPerOctave + (nanos >> octave) - kPerOctave;
    return bucket < kPerOctave * kOctaves ? bucket : kPerOctave * kOctaves - 1;
  }

  static std::int64_t UpperBound(std::size_t bucket) {
    if (bucket < kPerOctave) return static_cast<std::int64_t>(bucket);
    const std::size_t octave = bucket / kPerOctave - 1;
    const std::size_t step = bucket % kPerOctave + kPerOctave;
    return static_cast<std::int64_t>(((step + 1) << octave) - 1);
  }

  std::array<std::uint64_t, kPerOctave * kOctaves> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace sidebus::cli
