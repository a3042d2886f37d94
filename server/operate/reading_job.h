#pragma once

namespace sidebus {

// A job that has a consumer of its own, which must be gone before the broker is.
class ReadingJob {
 public:
  virtual ~ReadingJob() = default;

  // Ends it at once, as a crash would: nothing is told any more. Not from one of its callbacks.
  virtual void Abort() = 0;
};

}  // namespace sidebus
