#pragma once

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/error.h"
#include "server/broker/group_admin.h"
#include "tests/broker_contract/contract.h"

namespace sidebus::contract {

// Asks and waits for the answers.
class Asking {
 public:
  explicit Asking(Broker& broker) {
    auto made = broker.MakeGroupAdmin();
    EXPECT_TRUE(made.ok()) << made.status();
    admin_ = *std::move(made);
  }

  absl::StatusOr<GroupDescription> Describe(const std::string& group,
                                            const std::vector<std::string>& topics) {
    return Wait<GroupDescription>(
        [&](auto done) { admin_->Describe(group, topics, std::move(done)); });
  }

  absl::StatusOr<std::vector<Position>> Find(const std::vector<std::string>& topics,
                                             StartPosition::At at, SystemTime time = {}) {
    StartPosition start;
    start.at = at;
    start.time = time;
    return Wait<std::vector<Position>>(
        [&](auto done) { admin_->FindOffsets(topics, start, std::move(done)); });
  }

  absl::Status Set(const std::string& group, const std::vector<Position>& positions) {
    return Wait<bool>([&](auto done) {
             admin_->SetPositions(group, positions,
                                  [done = std::move(done)](const absl::Status& set) mutable {
                                    set.ok() ? done(true) : done(set);
                                  });
           })
        .status();
  }

  // Once more until the broker has forgotten the last member.
  absl::Status SetWhenEmpty(const std::string& group, const std::vector<Position>& positions) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    absl::Status set = Set(group, positions);
    while (!set.ok() && ReasonOf(set) == Reason::kGroupActive &&
           std::chrono::steady_clock::now() < deadline) {
      set = Set(group, positions);
    }
    return set;
  }

  // Until the broker counts this many members of the group, those that are joining included.
  bool WaitForMembers(const std::string& group, const std::string& topic, std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    do {
      const absl::StatusOr<GroupDescription> found = Describe(group, {topic});
      if (found.ok() && found->members && found->members->size() == count) return true;
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
  }

  GroupAdmin& operator*() { return *admin_; }
  void End() { admin_.reset(); }

 private:
  template <typename T, typename Ask>
  static absl::StatusOr<T> Wait(const Ask& ask) {
    auto answer = std::make_shared<std::promise<absl::StatusOr<T>>>();
    auto future = answer->get_future();
    ask([answer](absl::StatusOr<T> result) { answer->set_value(std::move(result)); });
    if (future.wait_for(kPatience) != std::future_status::ready) {
      return absl::DeadlineExceededError("no answer");
    }
    return future.get();
  }

  std::unique_ptr<GroupAdmin> admin_;
};

}  // namespace sidebus::contract
