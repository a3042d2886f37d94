#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "tests/bench/direct.h"
#include "tests/support/kafka_topics.h"

namespace {

void MakeTopic(const std::string& bootstrap, const std::string& topic) {
  const std::string why_not = sidebus::CreateKafkaTopic(bootstrap, topic, 1);
  if (!why_not.empty()) throw std::runtime_error("create topic: " + why_not);
}

}  // namespace

// What an application reaches that uses librdkafka itself. Prints one line of JSON.
int main(int argc, char** argv) {
  CLI::App app("Produces or consumes with librdkafka directly.");
  app.require_subcommand(1);
  sidebus::bench::DirectOptions options;
  std::string bootstrap;
  std::string group = "bench-direct";
  std::vector<std::string> extra;

  const auto add = [&](const char* name, const char* help) {
    CLI::App* verb = app.add_subcommand(name, help);
    verb->add_option("--bootstrap", bootstrap, "Kafka's address")->required();
    verb->add_option("--topic", options.topic)->required();
    verb->add_option("--count", options.count, "events");
    verb->add_option("-X", extra, "property=value of librdkafka");
    return verb;
  };
  CLI::App* produce = add("produce", "Idempotent, acks=all, every delivery report awaited.");
  produce->add_option("--size", options.size, "bytes of data per event");
  produce->add_option("--in-flight", options.in_flight, "bound; latencies are measured with one");
  CLI::App* consume =
      add("consume", "In batches with their headers, checked, as member of a group.");
  consume->add_option("--group", group);
  CLI::App* topic = app.add_subcommand("topic", "Make a topic with one partition.");
  topic->add_option("--bootstrap", bootstrap, "Kafka's address")->required();
  topic->add_option("--topic", options.topic)->required();
  CLI11_PARSE(app, argc, argv);

  options.properties = {{"bootstrap.servers", bootstrap}};
  if (produce->parsed()) {
    options.properties.insert(options.properties.end(),
                              {{"enable.idempotence", "true"}, {"acks", "all"}});
  } else {
    options.properties.insert(
        options.properties.end(),
        {{"group.id", group}, {"auto.offset.reset", "earliest"}, {"check.crcs", "true"}});
  }
  try {
    for (const std::string& property : extra) {
      const std::size_t equals = property.find('=');
      if (equals == std::string::npos) throw std::runtime_error("-X wants property=value");
      options.properties.emplace_back(property.substr(0, equals), property.substr(equals + 1));
    }
    if (topic->parsed()) {
      MakeTopic(bootstrap, options.topic);
      std::puts("{}");
      return 0;
    }
    const std::string report = produce->parsed() ? sidebus::bench::DirectProduce(options)
                                                 : sidebus::bench::DirectConsume(options);
    std::puts(report.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_direct: %s\n", error.what());
    return 1;
  }
  return 0;
}
