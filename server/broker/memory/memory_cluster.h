#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/broker/consumer.h"
#include "server/broker/producer.h"
#include "server/event/event.h"

namespace sidebus {

class MemoryConsumer;

// One client of the memory broker: something with work to do and callbacks to make.
class MemoryClient {
 public:
  virtual ~MemoryClient() = default;

  // Does one piece of work with at most one callback, with no lock held. False: nothing to do now.
  // Not called twice at the same time for one client.
  virtual bool Work() = 0;
};

// What all clients of one memory broker share: logs, groups, positions, faults.
//
// Thread safety: everything mutable is guarded by `mu`, the last lock of all.
struct MemoryCluster {
  struct Entry {
    Record record;
    SystemTime timestamp{};
  };
  using Log = std::vector<Entry>;
  using PartitionKey = std::pair<std::string, std::int32_t>;  // topic, partition
  using PositionKey =
      std::tuple<std::string, std::string, std::int32_t>;  // group, topic, partition

  struct GroupPosition {
    std::int64_t offset = 0;
    std::string metadata;
  };

  struct Owner {
    const MemoryConsumer* consumer = nullptr;
    AssignmentId assignment;
  };

  // A member that has left, and is one until then.
  struct Staying {
    std::string id;
    SteadyTime until{};
  };

  struct Client {
    MemoryClient* client = nullptr;  // null: destroyed
    bool busy = false;
  };

  struct Faults {
    bool unreachable = false;
    bool hold_reports = false;
    int fail_produces = 0;
    DeliveryReport::Outcome failed_outcome = DeliveryReport::Outcome::kNotWritten;
    int duplicate_produces = 0;
    int fail_commits = 0;
    bool deny_topics = false;
    std::size_t max_record_bytes = std::numeric_limits<std::size_t>::max();
    int lose_commit_answers = 0;
    bool hold_commits = false;
    absl::Status refuse_consumers;
  };

  explicit MemoryCluster(const Clock& the_clock) : clock(the_clock) {}

  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    ++version;
    changed.NotifyAll();
  }

  // Adds a client; it is worked from now on.
  std::shared_ptr<Client> Add(MemoryClient& client) {
    auto entry = std::make_shared<Client>(Client{&client, false});
    MutexLock lock(mu);
    clients.push_back(entry);
    Changed();
    return entry;
  }

  // Takes a client out; waits until it is not being worked. Not from its own callbacks.
  void Remove(const std::shared_ptr<Client>& entry) {
    MutexLock lock(mu);
    entry->client = nullptr;
    while (entry->busy) changed.Wait(mu);
    std::erase(clients, entry);
    Changed();
  }

  // Works the client unless somebody does already.
  bool Work(const std::shared_ptr<Client>& entry) {
    MemoryClient* client = nullptr;
    {
      MutexLock lock(mu);
      if (entry->client == nullptr || entry->busy) return false;
      entry->busy = true;
      client = entry->client;
    }
    const bool worked = client->Work();
    MutexLock lock(mu);
    entry->busy = false;
    changed.NotifyAll();
    return worked;
  }

  // Does nothing when the topic exists.
  void MakeTopic(const std::string& topic, std::size_t partitions)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    if (!topics.try_emplace(topic, partitions).second) return;
    topic_ids[topic] = fmt::format("memory+topic+{:09}", ++last_topic);
  }

  // The offset of the first record that retention left.
  std::int64_t LogStart(const std::string& topic, std::int32_t partition) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto start = log_starts.find({topic, partition});
    return start == log_starts.end() ? 0 : start->second;
  }

  // Those that have left the group and still are members.
  std::vector<Staying> StayingIn(const std::string& group) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::vector<Staying> list;
    const auto all = staying.find(group);
    if (all == staying.end()) return list;
    for (const Staying& one : all->second) {
      if (clock.Now() < one.until) list.push_back(one);
    }
    return list;
  }

  const Clock& clock;
  Mutex mu;
  CondVar changed;
  std::uint64_t version ABSL_GUARDED_BY(mu) = 0;
  bool threaded ABSL_GUARDED_BY(mu) = false;  // a thread works the clients
  std::vector<std::shared_ptr<Client>> clients ABSL_GUARDED_BY(mu);

  std::map<std::string, std::vector<Log>> topics ABSL_GUARDED_BY(mu);
  std::map<std::string, std::string> topic_ids ABSL_GUARDED_BY(mu);
  std::uint64_t last_topic ABSL_GUARDED_BY(mu) = 0;
  std::map<PartitionKey, std::int64_t> log_starts ABSL_GUARDED_BY(mu);  // not 0
  std::map<PositionKey, GroupPosition> positions ABSL_GUARDED_BY(mu);
  std::map<std::string, std::vector<MemoryConsumer*>> groups ABSL_GUARDED_BY(mu);  // as they joined
  std::map<PositionKey, Owner> owners ABSL_GUARDED_BY(mu);
  std::uint64_t commits ABSL_GUARDED_BY(mu) = 0;
  std::uint64_t last_assignment ABSL_GUARDED_BY(mu) = 0;
  std::uint64_t last_group ABSL_GUARDED_BY(mu) = 0;  // of broadcast consumers
  std::uint64_t last_member ABSL_GUARDED_BY(mu) = 0;
  Duration members_stay ABSL_GUARDED_BY(mu){};
  std::map<std::string, std::vector<Staying>> staying ABSL_GUARDED_BY(mu);  // by group
  std::uint64_t readiness_changes ABSL_GUARDED_BY(mu) = 0;
  SteadyTime reachable_since ABSL_GUARDED_BY(mu){};
  Faults faults ABSL_GUARDED_BY(mu);
};

}  // namespace sidebus
