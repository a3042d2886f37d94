#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/broker/broker.h"

namespace sidebus {

// Reads one topic once, batch by batch, from where a group stands (or, without one, from its
// beginning) to the ends that it had when the reading began.
//
//   Start() -- Next(n) --> on_batch -- Next(n) --> on_batch ... --> on_end
//
// Ownership: shared by whoever reads and by callbacks under way. Stop() breaks the circle.
// Thread safety: all methods may be called from any thread. Callbacks come from the consumer's and
// the timers' threads, one at a time, with no lock held.
class TopicReader final : public ConsumerHandler, public std::enable_shared_from_this<TopicReader> {
 public:
  struct Options {
    std::string topic;  // with prefix
    std::string group;  // empty: nothing is committed
    std::map<std::int32_t, std::int64_t>
        ends;  // where to stop, of the partitions that are not empty
    std::uint64_t batch_bytes = 1 << 20;
    std::uint64_t buffer_bytes = 1 << 20;  // what may be fetched ahead
    Duration patience{};                   // for the next step towards the ends; zero: for ever
  };
  // Records of one partition. None of them is at or above its end.
  using OnBatch = absl::AnyInvocable<void(std::int32_t partition, std::vector<ConsumedRecord>)>;
  // Once, as the last call: OK when all was read up to the ends. GROUP_CONFLICT: the group's
  // positions cannot name more of what was passed over. BROKER_DOWN: the patience is over.
  using OnEnd = absl::AnyInvocable<void(absl::Status)>;

  TopicReader(Options options, const Clock& clock, Timers& timers);

  // An error: nothing will be called.
  absl::Status Start(Broker& broker, OnBatch on_batch, OnEnd on_end);

  // Asks for one batch of at most so many records.
  void Next(std::uint32_t most_events);

  void Ack(const DeliveryTag& tag);
  void Commit(absl::AnyInvocable<void(absl::Status)> done);

  // Nothing more of this partition is wanted.
  void Leave(std::int32_t partition);

  // Leaves the group; then `on_end` with `why`. Only the first end counts, also one before Start().
  void Finish(const absl::Status& why);

  // At once, as a crash would: nothing is called any more. Not from a callback.
  void Stop();

  // ConsumerHandler.
  void OnAssigned(AssignmentId assignment, const std::string& topic,
                  std::int32_t partition) override;
  Room RoomFor(AssignmentId assignment) override;
  void OnRecords(AssignmentId assignment, std::vector<ConsumedRecord> records) override;
  void OnRevoked(AssignmentId assignment, bool lost) override;
  void OnFailed(const absl::Status& why) override;

 private:
  void CheckLater();
  void Check();
  std::optional<absl::Status> Look() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CloseLater();
  void Closed();

  const Options options_;
  const Clock& clock_;
  Timers& timers_;

  Mutex mu_;
  OnBatch on_batch_ ABSL_GUARDED_BY(mu_);
  OnEnd on_end_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Consumer> consumer_ ABSL_GUARDED_BY(mu_);
  std::map<AssignmentId, std::int32_t> assigned_ ABSL_GUARDED_BY(mu_);
  std::map<std::int32_t, std::int64_t> left_ ABSL_GUARDED_BY(mu_);  // ends that were not reached
  bool quiet_ ABSL_GUARDED_BY(mu_) =
      false;  // all was read at the last look, and no batch came since
  std::uint32_t wanted_ ABSL_GUARDED_BY(mu_) = 0;
  std::int64_t reached_ ABSL_GUARDED_BY(mu_) = -1;  // the sum of where partitions are read on
  SteadyTime moved_ ABSL_GUARDED_BY(mu_){};         // when that changed, or more was wanted
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace sidebus
