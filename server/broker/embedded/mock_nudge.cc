#include "server/broker/embedded/mock_nudge.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace sidebus {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(2);

std::uint16_t FirstPort(const std::string& bootstrap_servers) {
  const std::string first = bootstrap_servers.substr(0, bootstrap_servers.find(','));
  return static_cast<std::uint16_t>(std::stoi(first.substr(first.rfind(':') + 1)));
}

// Connects and goes away. A failure does not matter.
void Knock(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  (void)connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  close(fd);
}

}  // namespace

MockNudge::MockNudge(const std::string& bootstrap_servers)
    : thread_(std::async(std::launch::async,
                         [done = done_.get_future().share(), port = FirstPort(bootstrap_servers)] {
                           while (done.wait_for(kEvery) != std::future_status::ready) Knock(port);
                         })) {}

MockNudge::~MockNudge() {
  done_.set_value();
  thread_.wait();
}

}  // namespace sidebus
