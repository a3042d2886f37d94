#pragma once

#include <cstddef>
#include <memory>

#include "server/base/mutex.h"
#include "server/broker/kafka/kafka_handle.h"
#include "server/broker/kafka/kafka_log.h"

namespace sidebus {

// Clients whose end takes long: a consumer with a commit that no coordinator takes ends after a session
// time-out (librdkafka 2.15.1), and who destroys it may be the thread that keeps everybody's time. So
// each ends on a thread of its own.
//
// Life: one per process. A process that ends by returning from main waits some seconds for them, so
// that they do not run into the end of the libraries that they use; the gateway's does not
// (std::_Exit). Thread safety: all methods may be called from any thread.
class EndingClients {
 public:
  static EndingClients& Instance();

  // `log` is kept until the client is gone.
  void End(KafkaClient client, std::shared_ptr<KafkaLog> log);

 private:
  EndingClients() = default;
  void Wait();

  Mutex mu_;
  CondVar changed_;
  std::size_t count_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace sidebus
