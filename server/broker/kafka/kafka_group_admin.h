#pragma once

#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/base/mutex.h"
#include "server/broker/group_admin.h"
#include "server/broker/kafka/admin_requests.h"
#include "server/broker/kafka/event_signal.h"
#include "server/broker/kafka/kafka_log.h"
#include "server/broker/kafka/kafka_options.h"

namespace sidebus {

// librdkafka's admin client, and its poll thread. The client is made with the first question and
// given back a minute after the last one: most gateways are never asked.
//
//   any thread --Post--> poll thread: a question, step by step:
//     Describe       members -> positions
//     FindOffsets    partitions of the topics -> offsets -> ends, where no record is that young
//     SetPositions   one step
//
// An error that may pass by itself repeats the step until the question's time is over; then the last
// one is told. What a question leaves behind (a request to a coordinator that does not answer) is
// bounded: beyond kMostRequests questions are refused. A write that is left behind goes with the
// client as soon as no other question is open, so that it is not sent when nobody expects it any more.
//
// Ownership: owns client and thread. Thread safety: as GroupAdmin says. Everything below "poll
// thread" belongs to that thread.
class KafkaGroupAdmin final : public GroupAdmin {
 public:
  // `patience`: the time of a question.
  explicit KafkaGroupAdmin(KafkaBrokerOptions options,
                           Duration patience = std::chrono::seconds(10));
  ~KafkaGroupAdmin() override;

  void Describe(const std::string& group, std::vector<std::string> topics,
                Done<GroupDescription> done) override;
  Duration members_stay() const override;
  void FindOffsets(std::vector<std::string> topics, StartPosition at,
                   Done<std::vector<Position>> done) override;
  void SetPositions(const std::string& group, std::vector<Position> positions,
                    absl::AnyInvocable<void(absl::Status)> done) override;

 private:
  using Answer = AdminRequests::Answer;
  using Partitions = std::vector<PartitionOffset>;

  // Is answered once.
  class Question {
   public:
    virtual ~Question() = default;
    virtual void Fail(absl::Status why) = 0;
    bool answered = false;
    bool writes = false;
    SteadyTime deadline{};
    std::string doing{};  // at the last error
    rd_kafka_resp_err_t last = RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  template <typename T>
  class QuestionFor;

  struct Retry {
    SteadyTime at{};
    absl::AnyInvocable<void()> run;
  };

  void Post(absl::AnyInvocable<void()> task);

  // --- poll thread ---
  void Run();
  void RunTasks();
  void Tick(SteadyTime now);
  static void OnErrorCallback(rd_kafka_t* client, int error, const char* why, void* opaque);
  absl::Status Open();
  void Close();
  // False: it was refused, and is answered.
  bool Take(const std::shared_ptr<Question>& question);
  static absl::Status TooLate(const Question& question);
  // Wraps the answer to a step: dropped when the question is answered; a final error answers it,
  // another one runs `again` by and by.
  AdminRequests::Then On(std::shared_ptr<Question> question, std::string doing,
                         std::function<void()> again, absl::AnyInvocable<void(Answer)> good);

  void AskMembers(const std::string& group, const std::vector<std::string>& topics,
                  const std::shared_ptr<QuestionFor<GroupDescription>>& question);
  void AskPositions(const std::string& group, const std::vector<std::string>& topics,
                    std::optional<std::vector<GroupMember>> members,
                    const std::shared_ptr<QuestionFor<GroupDescription>>& question);
  void FindPartitions(const std::vector<std::string>& topics, std::int64_t spec,
                      const std::shared_ptr<Question>& question,
                      std::function<void(Partitions)> then);
  void AskOffsets(const Partitions& wanted,
                  const std::shared_ptr<QuestionFor<std::vector<Position>>>& question,
                  std::vector<Position> found);
  void WritePositions(const std::string& group, const Partitions& positions,
                      const std::shared_ptr<QuestionFor<bool>>& question);

  const KafkaBrokerOptions options_;
  const Duration patience_;
  const std::shared_ptr<KafkaLog> log_;
  EventSignal signal_;
  std::atomic<bool> stopping_{false};
  Mutex mu_;
  std::vector<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mu_);

  // --- poll thread ---
  KafkaClient client_;  // null: nobody asked for a while
  KafkaQueue queue_;
  std::unique_ptr<AdminRequests> requests_;
  std::list<std::shared_ptr<Question>> questions_;
  std::list<Retry> retries_;
  SteadyTime last_question_{};
  bool write_is_left_ = false;  // in the client, and nobody waits for it

  std::thread thread_;
};

}  // namespace sidebus
