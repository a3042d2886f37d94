#include "server/app/doctor_reach.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "server/base/c_deleter.h"

namespace sidebus {
namespace {

constexpr std::size_t kAtATime = 16;

using AddressList = std::unique_ptr<addrinfo, CDeleter<freeaddrinfo>>;

std::optional<std::pair<std::string, std::string>> HostAndPort(const std::string& server) {
  const std::size_t colon = server.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == server.size()) return std::nullopt;
  std::string host = server.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return std::pair(host, server.substr(colon + 1));
}

std::string Numeric(const addrinfo& one) {
  std::array<char, NI_MAXHOST> host{};
  return getnameinfo(one.ai_addr, one.ai_addrlen, host.data(), host.size(), nullptr, 0,
                     NI_NUMERICHOST) == 0
             ? host.data()
             : "";
}

int MillisecondsLeft(SteadyTime until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::Real().Now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

// The error number of a connection attempt; 0: it is made.
int Connect(const addrinfo& to, SteadyTime until) {
  const int fd = ::socket(to.ai_family, to.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = ::connect(fd, to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd ready{fd, POLLOUT, 0};
    socklen_t size = sizeof(error);
    if (::poll(&ready, 1, MillisecondsLeft(until)) <= 0) {
      error = ETIMEDOUT;
    } else if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  ::close(fd);
  return error;
}

Reach ReachOne(const std::string& server, SteadyTime until) {
  Reach reach;
  const SteadyTime begin = Clock::Real().Now();
  const auto parts = HostAndPort(server);
  if (!parts.has_value()) {
    reach.end = Reach::End::kBadName;
    return reach;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(parts->first.c_str(), parts->second.c_str(), &hints, &found);
  const AddressList addresses(found);
  if (error != 0) {
    reach.end = Reach::End::kNoAddress;
    reach.why = error == EAI_SYSTEM ? std::generic_category().message(errno) : gai_strerror(error);
    return reach;
  }
  int last = ETIMEDOUT;
  for (const addrinfo* one = found; one != nullptr && last != 0; one = one->ai_next) {
    if (Clock::Real().Now() >= until && !reach.address.empty()) break;
    reach.address = Numeric(*one);
    last = Connect(*one, until);
  }
  reach.took = Clock::Real().Now() - begin;
  if (last == 0) {
    reach.end = Reach::End::kConnected;
    return reach;
  }
  reach.end = last == ETIMEDOUT ? Reach::End::kNoAnswer : Reach::End::kRefused;
  reach.why = std::generic_category().message(last);
  return reach;
}

// Outlives the caller, where a resolver hangs.
struct Work {
  std::vector<std::string> servers;
  std::vector<std::promise<Reach>> answers;
  std::atomic<std::size_t> next{0};
};

}  // namespace

std::vector<std::future<Reach>> StartReaching(const std::vector<std::string>& servers,
                                              SteadyTime until) {
  auto work = std::make_shared<Work>();
  work->servers = servers;
  work->answers.resize(servers.size());
  std::vector<std::future<Reach>> futures;
  for (std::promise<Reach>& answer : work->answers) futures.push_back(answer.get_future());
  for (std::size_t i = 0; i < std::min(servers.size(), kAtATime); ++i) {
    std::thread([work, until] {
      while (true) {
        const std::size_t mine = work->next++;
        if (mine >= work->servers.size()) return;
        work->answers[mine].set_value(ReachOne(work->servers[mine], until));
      }
    }).detach();
  }
  return futures;
}

Reach Reached(std::future<Reach>& future, SteadyTime until) {
  // A little more: a connection attempt that ends at `until` says more than silence.
  constexpr Duration kMore = std::chrono::milliseconds(50);
  const std::chrono::steady_clock::time_point end(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(
          (until + kMore).time_since_epoch()));
  if (future.wait_until(end) != std::future_status::ready) return Reach();
  return future.get();
}

}  // namespace sidebus
