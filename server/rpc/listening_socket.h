#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace sidebus {

// One address of the application API.
struct ListenerOptions {
  std::string name;  // for metrics, logs and identities; unique
  std::string host;  // TCP: an address or a name, IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;    // Unix socket; empty: TCP
  mode_t mode = 0660;  // of the Unix socket
  std::string group;   // of the Unix socket; empty: as the process creates it
};

// A descriptor that closes itself. Empty: -1.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// A bound, listening, non-blocking socket.
//
// A Unix socket is guarded by `<path>.lock`, locked for the socket's life: a second instance is
// refused, and what a dead one left behind is removed. The lock file stays (removing it would let
// two instances lock two files of one name). Permissions are in place before anybody can connect.
// TCP: without SO_REUSEPORT, which would let a second instance take half of the connections.
//
// Ownership: owns descriptor and lock; its end removes a Unix socket's file.
class ListeningSocket {
 public:
  // Errors name the address and the cause; "address in use" when another process listens there.
  static absl::StatusOr<ListeningSocket> Open(const ListenerOptions& options);

  ListeningSocket(ListeningSocket&&) = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  int fd() const { return socket_.get(); }

  // As a client writes it, with the port that was bound: "127.0.0.1:7420", "unix:/run/x.sock".
  const std::string& address() const { return address_; }
  bool is_unix() const { return !path_.empty(); }

 private:
  ListeningSocket() = default;

  static absl::StatusOr<ListeningSocket> OpenUnix(const ListenerOptions& options);
  static absl::StatusOr<ListeningSocket> OpenTcp(const ListenerOptions& options);

  FileDescriptor lock_;  // given back after the socket is closed and removed
  FileDescriptor socket_;
  std::string address_;
  std::string path_;  // empty: TCP, or moved from
};

}  // namespace sidebus
