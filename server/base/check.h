#pragma once

#include <cstdio>
#include <cstdlib>

// Ends the process with the place and the text when `condition` is false, in every build. For what
// cannot happen and would lose or corrupt data if it did; never for the environment or for input.
#define SIDEBUS_CHECK(condition)                                                         \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
