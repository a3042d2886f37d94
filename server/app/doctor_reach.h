#pragma once

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "server/base/clock.h"

namespace sidebus {

// How far one gets on the way to a TCP server.
struct Reach {
  enum class End : std::uint8_t {
    kConnected,
    kBadName,     // it is no host:port
    kNoAddress,   // the name server says that there is none, or there is no name server
    kNoResolver,  // no answer to that in time
    kRefused,     // nobody listens there, or a network refuses
    kNoAnswer,    // nothing came back in time
  };
  End end = End::kNoResolver;
  std::string address;  // the last that was tried: "10.0.0.1"
  std::string why;      // the system's words, where there are some
  Duration took{};
};

// Resolves each `host:port` ("[::1]:9092", too) and connects to it, to one address after the other
// until one takes it, several servers at a time. The connections are closed at once.
//
// Every future is ready shortly after `until`. A resolver that hangs keeps its thread longer, beside
// the caller, who may go.
std::vector<std::future<Reach>> StartReaching(const std::vector<std::string>& servers,
                                              SteadyTime until);

// What a future of StartReaching() says, or End::kNoResolver at `until`.
Reach Reached(std::future<Reach>& future, SteadyTime until);

}  // namespace sidebus
