#include "server/metrics/metrics.h"

#include <map>
#include <sstream>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"
#include "server/base/mutex.h"

namespace sidebus {

namespace buckets {
const std::vector<double> kLatency = {.001, .0025, .005, .01, .025, .05, .1,
                                      .25,  .5,    1,    2.5, 5,    10,  30};
const std::vector<double> kAge = {.01, .05, .1, .5, 1, 5, 15, 60, 300, 1800, 7200};
const std::vector<double> kSize = {256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304};
}  // namespace buckets

void Counter::Increment(double by) {
  if (series_ != nullptr) series_->Increment(by);
}

void Gauge::Set(double value) {
  if (series_ != nullptr) series_->Set(value);
}

void Gauge::Add(double by) {
  if (series_ != nullptr) series_->Increment(by);
}

void Histogram::Observe(double value) {
  if (series_ != nullptr) series_->Observe(value);
}

class Metrics::Impl {
 public:
  // Families are made at the first look-up of their name and live as long as the registry.
  template <typename Series>
  prometheus::Family<Series>& FamilyOf(std::string_view name, std::string_view help,
                                       prometheus::detail::Builder<Series> builder) {
    MutexLock lock(mu_);
    auto& families = FamiliesOf(static_cast<Series*>(nullptr));
    const auto known = families.find(name);
    if (known != families.end()) return *known->second;
    auto& family = builder.Name(std::string(name)).Help(std::string(help)).Register(registry_);
    families.emplace(name, &family);
    return family;
  }

  void BeforeSerialize(absl::AnyInvocable<void()> update) {
    MutexLock lock(updates_mu_);
    updates_.push_back(std::move(update));
  }

  void DropUpdates() {
    MutexLock lock(updates_mu_);
    updates_.clear();
  }

  std::string Serialize() {
    {
      MutexLock lock(updates_mu_);  // one scrape at a time updates
      for (auto& update : updates_) update();
    }
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, registry_.Collect());
    return out.str();
  }

 private:
  template <typename Series>
  using Families = std::map<std::string, prometheus::Family<Series>*, std::less<>>;

  Families<prometheus::Counter>& FamiliesOf(prometheus::Counter*)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return counters_;
  }
  Families<prometheus::Gauge>& FamiliesOf(prometheus::Gauge*) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return gauges_;
  }
  Families<prometheus::Histogram>& FamiliesOf(prometheus::Histogram*)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return histograms_;
  }

  prometheus::Registry registry_;
  Mutex mu_;
  Families<prometheus::Counter> counters_ ABSL_GUARDED_BY(mu_);
  Families<prometheus::Gauge> gauges_ ABSL_GUARDED_BY(mu_);
  Families<prometheus::Histogram> histograms_ ABSL_GUARDED_BY(mu_);
  Mutex updates_mu_;
  std::vector<absl::AnyInvocable<void()>> updates_ ABSL_GUARDED_BY(updates_mu_);
};

namespace {

prometheus::Labels ToPrometheus(const Labels& labels) {
  return prometheus::Labels(labels.begin(), labels.end());
}

}  // namespace

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

Counter Metrics::AddCounter(std::string_view name, std::string_view help, const Labels& labels) {
  return Counter(impl_->FamilyOf(name, help, prometheus::BuildCounter()).Add(ToPrometheus(labels)));
}

Gauge Metrics::AddGauge(std::string_view name, std::string_view help, const Labels& labels) {
  return Gauge(impl_->FamilyOf(name, help, prometheus::BuildGauge()).Add(ToPrometheus(labels)));
}

Histogram Metrics::AddHistogram(std::string_view name, std::string_view help,
                                const std::vector<double>& bounds, const Labels& labels) {
  return Histogram(
      impl_->FamilyOf(name, help, prometheus::BuildHistogram()).Add(ToPrometheus(labels), bounds));
}

void Metrics::BeforeSerialize(absl::AnyInvocable<void()> update) {
  impl_->BeforeSerialize(std::move(update));
}

void Metrics::DropUpdates() { impl_->DropUpdates(); }

std::string Metrics::Serialize() { return impl_->Serialize(); }

}  // namespace sidebus
