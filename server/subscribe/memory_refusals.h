#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"

namespace sidebus {

// Groups whose topics had more partitions than their memory has room for, so that those who come back
// are told so without another consumer: only that one could find it out, and waiting does not mend
// it. At most kMaxGroups are remembered.
//
// Thread safety: all methods may be called from any thread.
class MemoryRefusals {
 public:
  static constexpr Duration kKept = std::chrono::seconds(30);
  static constexpr std::size_t kMaxGroups = 1000;

  // `why`: the consumer of these topics could not go on with so many bytes. One per group; of
  // broadcasts (an empty group) the last.
  void Note(const std::string& group, std::vector<std::string> topics, std::uint64_t bytes,
            const absl::Status& why, SteadyTime now);

  // What to tell a group that wants these topics and would get so many bytes. OK: it is worth a
  // try, for it is not known, it has more memory or lacks one of the topics, or it is long ago.
  absl::Status Check(const std::string& group, const std::vector<std::string>& topics,
                     std::uint64_t bytes, SteadyTime now) const;

 private:
  struct Refused {
    std::vector<std::string> topics;
    std::uint64_t bytes = 0;
    absl::Status why;
    SteadyTime until{};
  };

  mutable Mutex mu_;
  std::map<std::string, Refused> groups_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sidebus
