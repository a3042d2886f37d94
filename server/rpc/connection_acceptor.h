#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "absl/functional/any_invocable.h"
#include "server/metrics/metrics.h"
#include "server/rpc/listening_socket.h"

namespace sidebus {

// How many connections all listeners may have together.
class ConnectionLimit {
 public:
  explicit ConnectionLimit(std::uint32_t max) : max_(max) {}

  bool TryTake() {
    if (open_.fetch_add(1) < max_) return true;
    open_.fetch_sub(1);
    return false;
  }
  void Return() { open_.fetch_sub(1); }
  std::uint32_t open() const { return open_.load(); }

 private:
  const std::uint32_t max_;
  std::atomic<std::uint32_t> open_{0};
};

// Accepts the connections of one listening socket on a thread of its own, hands their descriptors
// on, and counts them. gRPC accepts nothing itself: it knows no limit of connections, no mode of
// sockets and no peer of a Unix socket.
//
// A connection counts until its peer has hung up, or this side has: seen on a duplicate of the
// descriptor, because the one handed on is not ours any more. Beyond the limit, and when
// descriptors run out, a connection is closed at once and counted as rejected.
//
// Life: Stop() before what `on_connection` uses goes away.
class ConnectionAcceptor {
 public:
  // Takes the descriptor, non-blocking. On the acceptor's thread.
  using OnConnection = absl::AnyInvocable<void(int fd)>;

  ConnectionAcceptor(ListeningSocket socket, const std::string& listener, ConnectionLimit& limit,
                     Metrics& metrics, OnConnection on_connection);
  ~ConnectionAcceptor() { Stop(); }

  void Start();

  // Accepts nothing more and closes the listening socket. What is connected stays connected.
  void Stop();

 private:
  void Run();
  void Accept();
  void Take(FileDescriptor connection);
  void Forget(int duplicate);
  void Watch(int fd, std::uint32_t events);
  void Unwatch(int fd);

  ListeningSocket socket_;
  const std::string listener_;
  ConnectionLimit& limit_;
  OnConnection on_connection_;
  Gauge connections_;
  Counter rejected_limit_;
  Counter rejected_descriptors_;
  FileDescriptor epoll_;
  FileDescriptor wake_;
  bool paused_ = false;                              // no descriptors left: accept later
  std::unordered_map<int, FileDescriptor> watched_;  // duplicates of open connections
  std::thread thread_;
};

}  // namespace sidebus
