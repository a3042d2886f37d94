#include "server/rpc/connection_acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "server/base/check.h"
#include "server/base/log.h"

namespace sidebus {
namespace {

constexpr int kPauseMs = 100;

void LogConnection(int fd, const std::string& listener) {
  if (!LogEnabled(LogLevel::kDebug)) return;
  ucred peer{};
  socklen_t size = sizeof(peer);
  // TCP peers have none: zero.
  getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  Log(LogLevel::kDebug, "client connected",
      {{"listener", listener}, {"peer_pid", peer.pid}, {"peer_uid", peer.uid}});
}

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(ListeningSocket socket, const std::string& listener,
                                       ConnectionLimit& limit, Metrics& metrics,
                                       OnConnection on_connection)
    : socket_(std::move(socket)),
      listener_(listener),
      limit_(limit),
      on_connection_(std::move(on_connection)),
      connections_(metrics.AddGauge("sidebus_connections", "Open client connections.",
                                    {{"listener", listener}})),
      rejected_limit_(metrics.AddCounter("sidebus_connections_rejected_total",
                                         "Connections refused, by reason.",
                                         {{"listener", listener}, {"reason", "limit"}})),
      rejected_descriptors_(metrics.AddCounter(
          "sidebus_connections_rejected_total", "Connections refused, by reason.",
          {{"listener", listener}, {"reason", "descriptors"}})),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  SIDEBUS_CHECK(epoll_.valid() && wake_.valid());
}

void ConnectionAcceptor::Start() {
  Watch(wake_.get(), EPOLLIN);
  Watch(socket_.fd(), EPOLLIN);
  thread_ = std::thread([this] { Run(); });
}

void ConnectionAcceptor::Stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  SIDEBUS_CHECK(write(wake_.get(), &one, sizeof(one)) == sizeof(one));
  thread_.join();
  while (!watched_.empty()) Forget(watched_.begin()->first);
  const ListeningSocket closed = std::move(socket_);
}

void ConnectionAcceptor::Watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  SIDEBUS_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
}

void ConnectionAcceptor::Unwatch(int fd) {
  SIDEBUS_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
}

void ConnectionAcceptor::Run() {
  std::array<epoll_event, 64> events{};
  while (true) {
    const int ready = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 paused_ ? kPauseMs : -1);
    if (paused_) {
      paused_ = false;
      Watch(socket_.fd(), EPOLLIN);
    }
    for (int i = 0; i < ready; ++i) {
      const int fd = events.at(static_cast<std::size_t>(i)).data.fd;
      if (fd == wake_.get()) return;
      if (fd == socket_.fd()) {
        Accept();
      } else {
        Forget(fd);
      }
    }
  }
}

void ConnectionAcceptor::Accept() {
  while (true) {
    FileDescriptor connection(
        accept4(socket_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      Take(std::move(connection));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The connection waits in the backlog: look again when descriptors may be back, and do not
      // spin until then.
      rejected_descriptors_.Increment();
      paused_ = true;
      Unwatch(socket_.fd());
    }
    return;
  }
}

void ConnectionAcceptor::Take(FileDescriptor connection) {
  if (!limit_.TryTake()) return rejected_limit_.Increment();
  FileDescriptor duplicate(fcntl(connection.get(), F_DUPFD_CLOEXEC, 0));
  if (!duplicate.valid()) {
    limit_.Return();
    return rejected_descriptors_.Increment();
  }
  LogConnection(connection.get(), listener_);
  const int key = duplicate.get();
  Watch(key, EPOLLRDHUP);
  watched_.emplace(key, std::move(duplicate));
  connections_.Add(1);
  on_connection_(connection.release());
}

// Closing the duplicate does not end the watch: that is on the connection, which gRPC may have open
// for a while yet (epoll_ctl(2), epoll(7)). It would go on to tell of it, under a number that is the
// next connection's by then.
void ConnectionAcceptor::Forget(int duplicate) {
  const auto found = watched_.find(duplicate);
  if (found == watched_.end()) return;
  Unwatch(duplicate);
  watched_.erase(found);
  limit_.Return();
  connections_.Add(-1);
}

}  // namespace sidebus
