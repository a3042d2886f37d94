#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "server/base/clock.h"

namespace sidebus {

// Keeps requests from a server that is down, but for one at a time that finds out whether it still
// is.
//
//   state    Enter()                              Answered()   Failed()
//   up       free                                 -> up        one other request failed just before
//                                                              without an answer between: -> down
//   down     kept out until the pause is over,    -> up        of the probe: the pause doubles
//            then one probe                                    of others: nothing
//
// A single request that always fails (a server's bug) says nothing of the others, so it takes two
// different ones.
//
// Thread safety: none; the owner's lock guards it.
class OutageGate {
 public:
  enum class Pass : std::uint8_t { kNone, kFree, kProbe };

  static constexpr Duration kMinPause = std::chrono::milliseconds(250);
  static constexpr Duration kMaxPause = std::chrono::seconds(1);

  // Whether a request may go out. One that may must be Answered() or Failed().
  Pass Enter(SteadyTime now) {
    if (!down_) return Pass::kFree;
    if (probing_ || now < until_) return Pass::kNone;
    probing_ = true;
    return Pass::kProbe;
  }

  // True: it was down, and is up now.
  bool Answered(Pass pass) {
    if (pass == Pass::kProbe) probing_ = false;
    failed_before_ = false;
    return std::exchange(down_, false);
  }

  // `request`: a number of what was asked, the same for the same. True: it was up, and is down now.
  bool Failed(Pass pass, std::size_t request, absl::Status why, SteadyTime now) {
    if (pass == Pass::kProbe) probing_ = false;
    if (down_) {
      if (pass == Pass::kProbe) Pause(std::min(2 * pause_, kMaxPause), std::move(why), now);
      return false;
    }
    if (!std::exchange(failed_before_, true) || last_failed_ == request) {
      last_failed_ = request;
      return false;
    }
    down_ = true;
    Pause(kMinPause, std::move(why), now);
    return true;
  }

  bool down() const { return down_; }

  // What the last failure was, while it is down.
  const absl::Status& why() const { return why_; }

 private:
  void Pause(Duration pause, absl::Status why, SteadyTime now) {
    pause_ = pause;
    until_ = now + pause;
    why_ = std::move(why);
  }

  bool down_ = false;
  bool probing_ = false;
  bool failed_before_ = false;   // since the last answer
  std::size_t last_failed_ = 0;  // what was asked then
  Duration pause_{0};
  SteadyTime until_{};
  absl::Status why_;
};

}  // namespace sidebus
