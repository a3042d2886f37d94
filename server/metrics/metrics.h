#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace sidebus {

// One time series each; cheap to copy, valid as long as the Metrics they came from. Thread-safe.
// Default-constructed ones count nothing.
class Counter {
 public:
  Counter() = default;
  explicit Counter(prometheus::Counter& series) : series_(&series) {}
  void Increment(double by = 1);

 private:
  prometheus::Counter* series_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  explicit Gauge(prometheus::Gauge& series) : series_(&series) {}
  void Set(double value);
  void Add(double by);

 private:
  prometheus::Gauge* series_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  explicit Histogram(prometheus::Histogram& series) : series_(&series) {}
  void Observe(double value);

 private:
  prometheus::Histogram* series_ = nullptr;
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// Bucket bounds (upper, inclusive).
namespace buckets {
extern const std::vector<double> kLatency;  // publish and RPC, seconds: 1 ms to 30 s
extern const std::vector<double> kAge;      // ages and processing, seconds: 10 ms to 2 h
extern const std::vector<double> kSize;     // bytes: 256 to 4 Mi
}  // namespace buckets

// The process' metrics. Looking a series up locks and allocates: components do it when they load,
// keep the handle, and only count on the hot path; label values come from the configuration, never
// straight from a client.
//
// Thread safety: all methods may be called from any thread.
class Metrics {
 public:
  Metrics();
  ~Metrics();

  // The same name and labels give the same series. Names: sidebus_<what>_<unit>[_total].
  Counter AddCounter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge AddGauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram AddHistogram(std::string_view name, std::string_view help,
                         const std::vector<double>& bounds, const Labels& labels = {});

  // `update` runs at the start of every Serialize(), to set gauges. Must not block.
  void BeforeSerialize(absl::AnyInvocable<void()> update);

  // After it returns none of them runs any more: what they refer to may go away.
  void DropUpdates();

  // All series, in Prometheus' text format 0.0.4.
  std::string Serialize();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sidebus
