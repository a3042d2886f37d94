#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/broker/kafka/kafka_handle.h"

namespace sidebus {

// Makes topics for a producer: asks what the one to copy is like, then for the new one.
//
//   Start() -- DescribeTopics --> partitions, replicas -- CreateTopics --> done
//
// Ownership: borrows client and queue for each request; the queue's reader hands events to OnEvent().
// Thread safety: all methods may be called from any thread. `done` runs in OnEvent() and Drop(), with
// no lock held.
// Invariant: every Start() is answered once.
class TopicMaker {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;
  // Makes a topic with so many partitions, where the cluster cannot be asked (the mock cluster).
  using Make = std::function<absl::Status(const std::string& topic, int partitions)>;

  explicit TopicMaker(Make make = nullptr) : make_(std::move(make)) {}

  void Start(rd_kafka_t* client, rd_kafka_queue_t* queue, std::string topic,
             const std::string& like, Done done);

  // Takes the answers to its own requests.
  void OnEvent(rd_kafka_t* client, rd_kafka_queue_t* queue, rd_kafka_event_t* event);

  // The client goes, and with it the answers: everything under way ends with BROKER_DOWN.
  void Drop();

 private:
  struct Request {
    std::string topic;
    Done done;
  };
  struct Shape {
    int partitions = 0;
    int replicas = 0;
  };

  absl::StatusOr<Shape> ReadShape(rd_kafka_event_t* event) const;
  void Create(rd_kafka_t* client, rd_kafka_queue_t* queue, std::uintptr_t id, const Shape& shape);
  void Finish(std::uintptr_t id, const absl::Status& status);

  const Make make_;
  Mutex mu_;
  std::uintptr_t last_id_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<std::uintptr_t, Request> requests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
