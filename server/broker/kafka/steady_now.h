#pragma once

#include "server/base/clock.h"

namespace sidebus {

// The time by which this room's threads keep their deadlines: librdkafka keeps them, too, so there is
// nothing to gain from a clock that tests could move.
inline SteadyTime Now() { return Clock::Real().Now(); }

}  // namespace sidebus
