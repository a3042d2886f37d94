#include "server/broker/kafka/topic_maker.h"

#include <array>
#include <utility>

#include "server/broker/kafka/kafka_error.h"

namespace sidebus {
namespace {

constexpr int kMakeTimeoutMs = 5'000;
constexpr std::string_view kDoing = "making a topic";

using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, CDeleter<rd_kafka_NewTopic_destroy>>;
using TopicNames =
    std::unique_ptr<rd_kafka_TopicCollection_t, CDeleter<rd_kafka_TopicCollection_destroy>>;

KafkaAdminOptions Options(rd_kafka_t* client, rd_kafka_admin_op_t request, std::uintptr_t id) {
  KafkaAdminOptions options(rd_kafka_AdminOptions_new(client, request));
  rd_kafka_AdminOptions_set_request_timeout(options.get(), kMakeTimeoutMs, nullptr, 0);
  rd_kafka_AdminOptions_set_opaque(options.get(), reinterpret_cast<void*>(id));
  return options;
}

rd_kafka_resp_err_t ResultOf(rd_kafka_event_t* event) {
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event)) return error;
  std::size_t count = 0;
  const rd_kafka_topic_result_t** const topics =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
  return count == 1 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
}

}  // namespace

void TopicMaker::Start(rd_kafka_t* client, rd_kafka_queue_t* queue, std::string topic,
                       const std::string& like, Done done) {
  std::uintptr_t id = 0;
  {
    MutexLock lock(mu_);
    id = ++last_id_;
    requests_.emplace(id, Request{std::move(topic), std::move(done)});
  }
  std::array<const char*, 1> names = {like.c_str()};
  const TopicNames topics(rd_kafka_TopicCollection_of_topic_names(names.data(), names.size()));
  const KafkaAdminOptions options = Options(client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, id);
  rd_kafka_DescribeTopics(client, topics.get(), options.get(), queue);
}

void TopicMaker::OnEvent(rd_kafka_t* client, rd_kafka_queue_t* queue, rd_kafka_event_t* event) {
  const auto id = reinterpret_cast<std::uintptr_t>(rd_kafka_event_opaque(event));
  if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DESCRIBETOPICS_RESULT) {
    const absl::StatusOr<Shape> shape = ReadShape(event);
    return shape.ok() ? Create(client, queue, id, *shape) : Finish(id, shape.status());
  }
  const rd_kafka_resp_err_t error = ResultOf(event);
  const bool there =
      error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
  Finish(id, there ? absl::OkStatus() : ErrorOfKafka(error, kDoing));
}

absl::StatusOr<TopicMaker::Shape> TopicMaker::ReadShape(rd_kafka_event_t* event) const {
  if (const rd_kafka_resp_err_t error = rd_kafka_event_error(event)) {
    return ErrorOfKafka(error, kDoing);
  }
  std::size_t count = 0;
  const rd_kafka_TopicDescription_t** const topics =
      rd_kafka_DescribeTopics_result_topics(rd_kafka_event_DescribeTopics_result(event), &count);
  if (count != 1) return ErrorOfKafka(RD_KAFKA_RESP_ERR__BAD_MSG, kDoing);
  if (const rd_kafka_error_t* const error = rd_kafka_TopicDescription_error(topics[0])) {
    return ErrorOfKafka(rd_kafka_error_code(error), kDoing);
  }
  const rd_kafka_TopicPartitionInfo_t** const partitions =
      rd_kafka_TopicDescription_partitions(topics[0], &count);
  if (count == 0) return ErrorOfKafka(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, kDoing);
  Shape shape{.partitions = static_cast<int>(count)};
  rd_kafka_TopicPartitionInfo_replicas(partitions[0], &count);
  shape.replicas = static_cast<int>(count);
  return shape;
}

void TopicMaker::Create(rd_kafka_t* client, rd_kafka_queue_t* queue, std::uintptr_t id,
                        const Shape& shape) {
  std::string topic;
  {
    MutexLock lock(mu_);
    const auto request = requests_.find(id);
    if (request == requests_.end()) return;
    topic = request->second.topic;
  }
  if (make_ != nullptr) return Finish(id, make_(topic, shape.partitions));
  std::array<char, 256> why{};
  const NewTopic wanted(rd_kafka_NewTopic_new(topic.c_str(), shape.partitions, shape.replicas,
                                              why.data(), why.size()));
  if (wanted == nullptr) return Finish(id, ErrorOfKafka(RD_KAFKA_RESP_ERR__INVALID_ARG, kDoing));
  const KafkaAdminOptions options = Options(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, id);
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), kMakeTimeoutMs, nullptr, 0);
  std::array<rd_kafka_NewTopic_t*, 1> topics = {wanted.get()};
  rd_kafka_CreateTopics(client, topics.data(), topics.size(), options.get(), queue);
}

void TopicMaker::Finish(std::uintptr_t id, const absl::Status& status) {
  std::map<std::uintptr_t, Request>::node_type request;
  {
    MutexLock lock(mu_);
    request = requests_.extract(id);
  }
  if (!request.empty()) request.mapped().done(status);
}

void TopicMaker::Drop() {
  std::map<std::uintptr_t, Request> requests;
  {
    MutexLock lock(mu_);
    requests.swap(requests_);
  }
  for (auto& [id, request] : requests) {
    request.done(ErrorOfKafka(RD_KAFKA_RESP_ERR__TRANSPORT, kDoing));
  }
}

}  // namespace sidebus
