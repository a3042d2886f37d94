#include "server/base/thread_timers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace sidebus {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

SteadyTime In(Duration delay) { return Clock::Real().Now() + delay; }

TEST(ThreadTimersTest, RunInOrderOfTimeNotOfRegistration) {
  ThreadTimers timers;
  std::vector<int> order;  // only the timer thread touches it until the promise is set
  std::promise<void> done;
  const SteadyTime base = In(milliseconds(20));

  timers.At(base + milliseconds(2), [&] { done.set_value(); });
  timers.At(base + milliseconds(1), [&] { order.push_back(2); });
  timers.At(base, [&] { order.push_back(1); });

  done.get_future().wait();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(ThreadTimersTest, ATimeInThePastRunsAtOnceOnTheTimerThread) {
  ThreadTimers timers;
  std::promise<std::thread::id> ran_on;

  timers.At(In(-hours(1)), [&] { ran_on.set_value(std::this_thread::get_id()); });

  EXPECT_NE(ran_on.get_future().get(), std::this_thread::get_id());
}

TEST(ThreadTimersTest, ACancelledTimerNeverRuns) {
  ThreadTimers timers;
  std::promise<void> later_ran;
  bool cancelled_ran = false;
  const SteadyTime when = In(milliseconds(20));
  const TimerId id = timers.At(when, [&] { cancelled_ran = true; });
  timers.At(when + milliseconds(1), [&] { later_ran.set_value(); });

  EXPECT_TRUE(timers.Cancel(id));

  later_ran.get_future().wait();
  EXPECT_FALSE(cancelled_ran);
}

TEST(ThreadTimersTest, CancellingTwiceOrCancellingNothingIsHarmless) {
  ThreadTimers timers;
  const TimerId id = timers.At(In(hours(1)), [] {});

  EXPECT_TRUE(timers.Cancel(id));
  EXPECT_FALSE(timers.Cancel(id));
  EXPECT_FALSE(timers.Cancel(TimerId()));
}

TEST(ThreadTimersTest, ATimerFunctionMayRegisterAndCancel) {
  ThreadTimers timers;
  std::promise<void> done;
  const TimerId far = timers.At(In(hours(1)), [] {});

  timers.At(In(milliseconds(0)), [&] {
    timers.Cancel(far);
    timers.At(In(milliseconds(0)), [&] { done.set_value(); });
  });

  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(ThreadTimersTest, TheDestructorDropsWhatWaits) {
  auto held = std::make_shared<int>(1);
  {
    ThreadTimers timers;
    timers.At(In(hours(1)), [held] {});
    EXPECT_EQ(held.use_count(), 2);
  }

  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace sidebus
