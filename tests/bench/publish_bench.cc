// What publishing costs in the gateway itself: validate, route, encode, hand on, join, answer. The
// producer accepts at no cost and everything is reported as written right after the call.

#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "server/metrics/metrics.h"
#include "server/metrics/publish_metrics.h"
#include "server/publish/publisher.h"
#include "tests/support/manual_time.h"

namespace sidebus {
namespace {

class InstantProducer final : public Producer {
 public:
  void WriteAll() {
    for (PendingRecord* record : std::exchange(accepted_, {})) {
      record->OnReport({DeliveryReport::Outcome::kWritten, absl::OkStatus(), 0, offset_++});
    }
  }

  ProducerTopic& Topic(const std::string&) override { return topic_; }
  absl::Status Produce(ProducerTopic&, PendingRecord& record) override {
    accepted_.push_back(&record);
    return absl::OkStatus();
  }
  BrokerCondition condition() const override { return {true, {}}; }
  std::size_t in_flight() const override { return accepted_.size(); }
  bool Flush(SteadyTime) override { return true; }
  void Purge() override {}

 private:
  class ReadyTopic final : public ProducerTopic {
   public:
    const std::string& name() const override { return name_; }
    TopicReadiness readiness() override { return TopicReadiness::kReady; }

   private:
    const std::string name_ = "orders";
  };

  ReadyTopic topic_;
  std::vector<PendingRecord*> accepted_;
  std::int64_t offset_ = 0;
};

// Arguments: events per call, bytes of data, whether the key is read from the data.
void Publish(benchmark::State& state) {
  const bool keyed = state.range(2) != 0;
  MemoryBudget budget(1'000'000'000);
  Metrics metrics;
  PublishMetrics publish_metrics(metrics);
  ManualTime time;
  Publisher publisher(
      {}, *Router::Make({{"order.created", {{"orders", keyed ? "id" : "", true}}}}, "dev"), budget,
      time, time, publish_metrics);
  InstantProducer producer;
  publisher.Start(producer);
  Event event;
  event.type = "order.created";
  event.data = R"({"id":"a","text":")" +
               std::string(static_cast<std::size_t>(state.range(1)), 'x') + R"("})";
  const std::vector<Event> events(static_cast<std::size_t>(state.range(0)), event);

  for (auto _ : state) {
    PublishBatch batch;
    batch.events = events;
    publisher.Publish(std::move(batch),
                      [](Publisher::Results results) { benchmark::DoNotOptimize(results); });
    producer.WriteAll();
  }

  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Publish)
    ->ArgNames({"events", "bytes", "keyed"})
    ->Args({1, 1024, 0})
    ->Args({100, 512, 0})
    ->Args({100, 512, 1});

}  // namespace
}  // namespace sidebus
