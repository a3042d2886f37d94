#include "server/rpc/listening_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <vector>

namespace sidebus {
namespace {

constexpr int kBacklog = 512;

std::string ErrorText(int error) { return std::generic_category().message(error); }

absl::Status Failed(std::string_view address, std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("cannot listen on {}: {}", address, what));
}

absl::Status InUse(std::string_view address) {
  return absl::FailedPreconditionError(
      fmt::format("cannot listen on {}: address in use: another process listens there; stop it, or "
                  "choose another address",
                  address));
}

// sockaddr_un and its kin are what the C interface calls a sockaddr.
template <typename Address>
const sockaddr* AsSockaddr(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

bool SomebodyListens(const sockaddr_un& address) {
  const FileDescriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // EAGAIN: there is somebody, with a full backlog.
  return connect(probe.get(), AsSockaddr(address), sizeof(address)) == 0 || errno == EAGAIN;
}

absl::Status SetGroup(const std::string& path, const std::string& name) {
  std::vector<char> buffer(16 * 1024);
  group entry{};
  group* found = nullptr;
  getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found == nullptr) return absl::NotFoundError(fmt::format("no group \"{}\"", name));
  if (chown(path.c_str(), static_cast<uid_t>(-1), found->gr_gid) != 0) {
    return absl::PermissionDeniedError(
        fmt::format("cannot give it to group \"{}\": {}", name, ErrorText(errno)));
  }
  return absl::OkStatus();
}

// Removes what a dead instance left. The caller holds the lock.
absl::Status RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return Failed("unix:" + path, "a file of this name is there, and it is no socket");
  }
  if (SomebodyListens(address)) return InUse("unix:" + path);
  if (unlink(path.c_str()) != 0) return Failed("unix:" + path, ErrorText(errno));
  return absl::OkStatus();
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<ListeningSocket> ListeningSocket::Open(const ListenerOptions& options) {
  return options.path.empty() ? OpenTcp(options) : OpenUnix(options);
}

ListeningSocket::~ListeningSocket() {
  if (socket_.valid() && is_unix()) unlink(path_.c_str());
}

absl::StatusOr<ListeningSocket> ListeningSocket::OpenUnix(const ListenerOptions& options) {
  ListeningSocket result;
  result.address_ = "unix:" + options.path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options.path.size() >= sizeof(address.sun_path)) {
    return Failed(result.address_, fmt::format("the path has {} bytes, at most {} are possible",
                                               options.path.size(), sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, options.path.data(), options.path.size());

  const std::string lock_path = options.path + ".lock";
  result.lock_ = FileDescriptor(open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!result.lock_.valid()) {
    return Failed(result.address_, fmt::format("{}: {}", lock_path, ErrorText(errno)));
  }
  if (flock(result.lock_.get(), LOCK_EX | LOCK_NB) != 0) return InUse(result.address_);
  if (auto status = RemoveStale(options.path, address); !status.ok()) return status;

  FileDescriptor fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Linux makes the file with the socket's own mode (less the umask), so that nobody can connect
  // between bind() and chmod(), which only undoes the umask.
  if (!fd.valid() || fchmod(fd.get(), options.mode) != 0 ||
      bind(fd.get(), AsSockaddr(address), sizeof(address)) != 0) {
    return Failed(result.address_, ErrorText(errno));
  }
  result.socket_ = std::move(fd);
  result.path_ = options.path;
  if (!options.group.empty()) {
    if (auto status = SetGroup(options.path, options.group); !status.ok()) {
      return Failed(result.address_, std::string(status.message()));
    }
  }
  if (chmod(options.path.c_str(), options.mode) != 0 ||
      listen(result.socket_.get(), kBacklog) != 0) {
    return Failed(result.address_, ErrorText(errno));
  }
  return result;
}

absl::StatusOr<ListeningSocket> ListeningSocket::OpenTcp(const ListenerOptions& options) {
  const bool v6 = options.host.find(':') != std::string::npos;
  const std::string host = v6 ? fmt::format("[{}]", options.host) : options.host;
  const std::string wanted = fmt::format("{}:{}", host, options.port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(options.host.empty() ? nullptr : options.host.c_str(),
                                std::to_string(options.port).c_str(), &hints, &found);
  if (error != 0) return Failed(wanted, gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);

  ListeningSocket result;
  FileDescriptor fd(
      socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  const int on = 1;
  // SO_REUSEADDR: a restart need not wait for connections in TIME_WAIT. Connections inherit
  // TCP_NODELAY from here.
  if (!fd.valid() || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    return Failed(wanted, ErrorText(errno));
  }
  if (bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || listen(fd.get(), kBacklog) != 0) {
    return errno == EADDRINUSE ? InUse(wanted) : Failed(wanted, ErrorText(errno));
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size);
  const in_port_t port = bound.ss_family == AF_INET6
                             ? reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port
                             : reinterpret_cast<const sockaddr_in*>(&bound)->sin_port;
  result.socket_ = std::move(fd);
  result.address_ = fmt::format("{}:{}", host, ntohs(port));
  return result;
}

}  // namespace sidebus
