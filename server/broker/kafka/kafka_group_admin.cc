#include "server/broker/kafka/kafka_group_admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "server/base/error.h"
#include "server/broker/kafka/kafka_error.h"
#include "server/broker/kafka/steady_now.h"

namespace sidebus {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr Duration kRetryAfter = milliseconds(250);
constexpr Duration kKeepClient = minutes(1);
constexpr int kWaitMs = 100;
constexpr int kIdleWaitMs = -1;  // until somebody asks
constexpr std::size_t kMostRequests = 64;

std::int64_t SpecOf(const StartPosition& at) {
  if (at.at == StartPosition::At::kEarliest) return AdminRequests::kBeginning;
  if (at.at == StartPosition::At::kTime) return AdminRequests::SpecOf(at.time);
  return AdminRequests::kEnd;
}

absl::Status TooMany() {
  return MakeError(
      Reason::kBrokerDown,
      "ask Kafka about a group: too many earlier questions are not answered: wait until "
      "it is back");
}

// What another try cannot change.
std::optional<absl::Status> FinalError(rd_kafka_resp_err_t error, std::string_view doing) {
  const std::string name = rd_kafka_err2name(error);
  switch (error) {
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return MakeError(
          Reason::kNotSupported,
          fmt::format("{}: this Kafka cannot do it, or does not let it be done ({})", doing, name));
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
      return InvalidField("group", fmt::format("Kafka does not take this name ({})", name));
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE:
      return MakeError(Reason::kNotSupported,
                       fmt::format("{}: Kafka refuses the request as it is ({})", doing, name));
    default:
      break;
  }
  const Reason reason = ReasonOfKafka(error);
  if (reason == Reason::kBrokerDown || reason == Reason::kTopicMissing) return std::nullopt;
  return ErrorOfKafka(error, doing);
}

}  // namespace

template <typename T>
class KafkaGroupAdmin::QuestionFor final : public Question {
 public:
  explicit QuestionFor(Done<T> done) : done_(std::move(done)) {}

  void Answer(absl::StatusOr<T> with) {
    if (answered) return;
    answered = true;
    done_(std::move(with));
  }
  void Fail(absl::Status why) override { Answer(std::move(why)); }

 private:
  Done<T> done_;
};

KafkaGroupAdmin::KafkaGroupAdmin(KafkaBrokerOptions options, Duration patience)
    : options_(std::move(options)),
      patience_(patience),
      log_(std::make_shared<KafkaLog>("group admin", this)),
      thread_([this] { Run(); }) {}

KafkaGroupAdmin::~KafkaGroupAdmin() {
  stopping_ = true;
  signal_.Raise();
  thread_.join();
}

void KafkaGroupAdmin::Describe(const std::string& group, std::vector<std::string> topics,
                               Done<GroupDescription> done) {
  auto question = std::make_shared<QuestionFor<GroupDescription>>(std::move(done));
  Post([this, group, topics = std::move(topics), question = std::move(question)] {
    if (Take(question)) AskMembers(group, topics, question);
  });
}

void KafkaGroupAdmin::FindOffsets(std::vector<std::string> topics, StartPosition at,
                                  Done<std::vector<Position>> done) {
  auto question = std::make_shared<QuestionFor<std::vector<Position>>>(std::move(done));
  Post([this, topics = std::move(topics), at = std::move(at), question = std::move(question)] {
    if (at.at == StartPosition::At::kTime && !options_.offsets_by_time) {
      return question->Fail(MakeError(Reason::kNotSupported,
                                      "this broker cannot find records by time: use earliest, "
                                      "latest or positions, or a real Kafka"));
    }
    if (topics.empty()) return question->Answer(std::vector<Position>());
    if (!Take(question)) return;
    FindPartitions(topics, SpecOf(at), question,
                   [this, question](const Partitions& all) { AskOffsets(all, question, {}); });
  });
}

void KafkaGroupAdmin::SetPositions(const std::string& group, std::vector<Position> positions,
                                   absl::AnyInvocable<void(absl::Status)> done) {
  Partitions wanted;
  for (Position& one : positions) {
    wanted.push_back({std::move(one.topic), one.partition, one.offset, {}});
  }
  auto question = std::make_shared<QuestionFor<bool>>(
      [done = std::move(done)](const absl::StatusOr<bool>& set) mutable { done(set.status()); });
  question->writes = true;
  Post([this, group, wanted = std::move(wanted), question = std::move(question)] {
    if (wanted.empty()) return question->Answer(true);
    if (Take(question)) WritePositions(group, wanted, question);
  });
}

Duration KafkaGroupAdmin::members_stay() const {
  return options_.static_member.empty() ? Duration(0) : SessionTimeoutOf(options_);
}

void KafkaGroupAdmin::Post(absl::AnyInvocable<void()> task) {
  {
    MutexLock lock(mu_);
    tasks_.push_back(std::move(task));
  }
  signal_.Raise();
}

void KafkaGroupAdmin::Run() {
  while (!stopping_) {
    signal_.Wait(client_ == nullptr ? kIdleWaitMs : kWaitMs);
    RunTasks();
    if (client_ == nullptr) continue;
    rd_kafka_poll(client_.get(), 0);
    requests_->Serve(Now());
    Tick(Now());
  }
  Close();
}

void KafkaGroupAdmin::RunTasks() {
  std::vector<absl::AnyInvocable<void()>> tasks;
  {
    MutexLock lock(mu_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) task();
}

void KafkaGroupAdmin::Tick(SteadyTime now) {
  std::list<Retry> due;
  for (auto retry = retries_.begin(); retry != retries_.end();) {
    const auto next = std::next(retry);
    if (retry->at <= now) due.splice(due.end(), retries_, retry);
    retry = next;
  }
  for (Retry& retry : due) retry.run();
  for (const auto& question : questions_) {
    if (question->answered || now < question->deadline) continue;
    question->Fail(TooLate(*question));
    write_is_left_ |= question->writes;
  }
  questions_.remove_if([](const auto& question) { return question->answered; });
  if (questions_.empty() && (write_is_left_ || now >= last_question_ + kKeepClient)) Close();
}

absl::Status KafkaGroupAdmin::TooLate(const Question& question) {
  if (SaysTopicIsMissing(question.last)) return ErrorOfKafka(question.last, question.doing);
  std::string text = "ask Kafka about a group: no answer in time";
  if (question.last != RD_KAFKA_RESP_ERR_NO_ERROR) {
    text += fmt::format(" (to \"{}\" the last one was {})", question.doing,
                        rd_kafka_err2name(question.last));
  }
  text += question.writes ? ": the group may have been moved, or may yet be: look where it stands, "
                            "and try again"
                          : ": try again";
  return MakeError(Reason::kBrokerDown, text);
}

void KafkaGroupAdmin::OnErrorCallback(rd_kafka_t*, int error, const char*, void* opaque) {
  auto* const admin = static_cast<KafkaGroupAdmin*>(static_cast<KafkaLog*>(opaque)->owner());
  if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) admin->requests_->BrokersAreDown();
}

absl::Status KafkaGroupAdmin::Open() {
  absl::StatusOr<KafkaConf> conf = MakeAdminConf(options_, *log_);
  if (!conf.ok()) return conf.status();
  rd_kafka_conf_set_error_cb(conf->get(), &KafkaGroupAdmin::OnErrorCallback);
  absl::StatusOr<KafkaClient> client = MakeClient(RD_KAFKA_PRODUCER, *std::move(conf));
  if (!client.ok()) return client.status();
  client_ = *std::move(client);
  queue_.reset(rd_kafka_queue_new(client_.get()));
  static constexpr std::uint64_t kOne = 1;
  rd_kafka_queue_io_event_enable(queue_.get(), signal_.fd(), &kOne, sizeof(kOne));
  requests_ = std::make_unique<AdminRequests>(client_.get(), queue_.get(), "");
  return absl::OkStatus();
}

void KafkaGroupAdmin::Close() {
  retries_.clear();
  questions_.clear();
  write_is_left_ = false;
  requests_.reset();
  if (queue_ != nullptr) rd_kafka_queue_io_event_enable(queue_.get(), -1, nullptr, 0);
  queue_.reset();
  client_.reset();
}

bool KafkaGroupAdmin::Take(const std::shared_ptr<Question>& question) {
  last_question_ = Now();
  question->deadline = last_question_ + patience_;
  if (client_ == nullptr) {
    if (const absl::Status opened = Open(); !opened.ok()) {
      question->Fail(opened);
      return false;
    }
  }
  if (requests_->waiting() >= kMostRequests) {
    question->Fail(TooMany());
    return false;
  }
  questions_.push_back(question);
  return true;
}

AdminRequests::Then KafkaGroupAdmin::On(std::shared_ptr<Question> question, std::string doing,
                                        std::function<void()> again,
                                        absl::AnyInvocable<void(Answer)> good) {
  return [this, question = std::move(question), doing = std::move(doing), again = std::move(again),
          good = std::move(good)](Answer answer) mutable {
    if (question->answered) return;
    if (answer.error == RD_KAFKA_RESP_ERR_NO_ERROR) return good(std::move(answer));
    if (SaysGroupHasMembers(answer.error)) {
      const std::string_view hint = options_.moves_groups_that_had_members
                                        ? ""
                                        : " (this broker moves only groups that never had one)";
      return question->Fail(MakeError(Reason::kGroupActive,
                                      fmt::format("{}: the group has members, and only they may "
                                                  "move it: stop them first{}",
                                                  doing, hint)));
    }
    if (std::optional<absl::Status> final = FinalError(answer.error, doing)) {
      return question->Fail(*std::move(final));
    }
    question->last = answer.error;
    question->doing = doing;
    retries_.push_back({Now() + kRetryAfter, [question, again] {
                          if (!question->answered) again();
                        }});
  };
}

void KafkaGroupAdmin::AskMembers(const std::string& group, const std::vector<std::string>& topics,
                                 const std::shared_ptr<QuestionFor<GroupDescription>>& question) {
  if (!options_.describes_groups) return AskPositions(group, topics, std::nullopt, question);
  const auto again = [this, group, topics, question] { AskMembers(group, topics, question); };
  requests_->DescribeGroup(group,
                           On(question, "describe the group", again, [=, this](Answer answer) {
                             AskPositions(group, {}, std::move(answer.members), question);
                           }));
}

void KafkaGroupAdmin::AskPositions(const std::string& group, const std::vector<std::string>& topics,
                                   std::optional<std::vector<GroupMember>> members,
                                   const std::shared_ptr<QuestionFor<GroupDescription>>& question) {
  const auto answer = [group, members, question](const Partitions& positions) {
    GroupDescription found{members, {}};
    for (const PartitionOffset& one : positions) {
      if (one.offset >= 0) found.positions.push_back({one.topic, one.partition, one.offset});
    }
    if (!found.positions.empty() || (members.has_value() && !members->empty())) {
      return question->Answer(std::move(found));
    }
    question->Fail(
        MakeError(Reason::kGroupUnknown,
                  fmt::format("the broker does not know group \"{}\": check its name", group)));
  };
  const auto ask = [=, this](const Partitions& where) {
    const auto again = [=, this] { AskPositions(group, topics, members, question); };
    requests_->GroupPositions(
        group, where,
        On(question, "read the positions of the group", again,
           [answer](const AdminRequests::Answer& positions) { answer(positions.partitions); }));
  };
  if (members.has_value()) return ask({});  // wherever it stands
  FindPartitions(topics, -1, question, [answer, ask](const Partitions& where) {
    where.empty() ? answer({}) : ask(where);
  });
}

void KafkaGroupAdmin::FindPartitions(const std::vector<std::string>& topics, std::int64_t spec,
                                     const std::shared_ptr<Question>& question,
                                     std::function<void(Partitions)> then) {
  const auto again = [=, this] { FindPartitions(topics, spec, question, then); };
  requests_->Describe(
      topics, On(question, "look up topics", again, [spec, question, then](const Answer& answer) {
        if (!answer.partitions.empty()) {
          return question->Fail(ErrorOfKafka(answer.partitions.front().error, "look up topics"));
        }
        Partitions all;
        for (const auto& [topic, partitions] : answer.topics) {
          for (std::int32_t i = 0; i < partitions; ++i) {
            all.push_back({topic, i, spec, {}});
          }
        }
        then(std::move(all));
      }));
}

void KafkaGroupAdmin::AskOffsets(
    const Partitions& wanted, const std::shared_ptr<QuestionFor<std::vector<Position>>>& question,
    std::vector<Position> found) {
  if (wanted.empty()) return question->Answer(std::move(found));
  const auto again = [=, this] { AskOffsets(wanted, question, found); };
  requests_->Offsets(wanted, On(question, "read the offsets of topics", again,
                                [=, this](const Answer& answer) mutable {
                                  Partitions ends;
                                  for (PartitionOffset one : answer.partitions) {
                                    if (one.offset >= 0) {
                                      found.push_back({one.topic, one.partition, one.offset});
                                      continue;
                                    }
                                    one.offset = AdminRequests::kEnd;
                                    ends.push_back(std::move(one));
                                  }
                                  AskOffsets(ends, question, std::move(found));
                                }));
}

void KafkaGroupAdmin::WritePositions(const std::string& group, const Partitions& positions,
                                     const std::shared_ptr<QuestionFor<bool>>& question) {
  const auto again = [=, this] { WritePositions(group, positions, question); };
  requests_->SetGroupPositions(
      group, positions,
      On(question, "move the group", again, [question](const Answer&) { question->Answer(true); }));
}

}  // namespace sidebus
