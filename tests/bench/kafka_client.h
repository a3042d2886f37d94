#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sidebus::bench {

using Properties = std::vector<std::pair<std::string, std::string>>;

template <auto Destroy>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
using Client = std::unique_ptr<rd_kafka_t, Deleter<rd_kafka_destroy>>;

// A client with these properties. `on_report` may be null. Throws what librdkafka says.
inline Client MakeClient(rd_kafka_type_t type, const Properties& properties,
                         void (*on_report)(rd_kafka_t*, const rd_kafka_message_t*,
                                           void*) = nullptr) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof error) !=
        RD_KAFKA_CONF_OK) {
      rd_kafka_conf_destroy(conf);
      throw std::runtime_error(error);
    }
  }
  if (on_report != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, on_report);
  Client client(rd_kafka_new(type, conf, error, sizeof error));
  if (!client) {
    rd_kafka_conf_destroy(conf);
    throw std::runtime_error(error);
  }
  return client;
}

}  // namespace sidebus::bench
