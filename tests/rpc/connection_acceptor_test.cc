#include "server/rpc/connection_acceptor.h"

#include <sys/eventfd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/base/mutex.h"
#include "tests/rpc/raw_http2.h"

namespace sidebus {
namespace {

// Whoever connects is taken, and the descriptor kept: as by a server that is slow to close.
class ConnectionAcceptorTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "sidebus-acceptor-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    ListenerOptions options;
    options.name = "app";
    options.path = Path();
    auto socket = ListeningSocket::Open(options);
    ASSERT_TRUE(socket.ok()) << socket.status();
    acceptor_.emplace(*std::move(socket), "app", limit_, metrics_, [this](int fd) {
      MutexLock lock(mu_);
      taken_.emplace_back(fd);
      changed_.NotifyAll();
    });
    acceptor_->Start();
  }

  void TearDown() override {
    acceptor_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string Path() const { return folder_ + "/s"; }

  // A client, which the acceptor has taken by the time this returns.
  RawHttp2 Connect() {
    MutexLock lock(mu_);
    const std::size_t before = taken_.size();
    RawHttp2 client(Path());
    while (taken_.size() == before) changed_.Wait(mu_);
    return client;
  }

  void WaitUntilOpenAre(std::uint32_t count) {
    while (limit_.open() != count) std::this_thread::yield();
  }

  std::string folder_;
  Metrics metrics_;
  ConnectionLimit limit_{10};
  Mutex mu_;
  CondVar changed_;
  std::vector<FileDescriptor> taken_ ABSL_GUARDED_BY(mu_);
  std::optional<ConnectionAcceptor> acceptor_;
};

TEST_F(ConnectionAcceptorTest, AConnectionCountsUntilItsClientHangsUp) {
  {
    const RawHttp2 one = Connect();
    const RawHttp2 other = Connect();
    EXPECT_EQ(limit_.open(), 2);
  }

  WaitUntilOpenAre(0);
}

// Found by a test of the transport that failed now and then: the kernel went on to tell of the first
// connection, under the number of a descriptor that the next one had by then.
TEST_F(ConnectionAcceptorTest, OneThatTheServerIsSlowToCloseIsNotTakenForTheNext) {
  FileDescriptor lower(eventfd(0, EFD_CLOEXEC));
  { const RawHttp2 first = Connect(); }
  WaitUntilOpenAre(0);
  // Its number goes to what is accepted next, and so the first duplicate's to the next duplicate.
  { const FileDescriptor closed = std::move(lower); }

  const RawHttp2 second = Connect();
  const RawHttp2 third = Connect();
  const RawHttp2 fourth = Connect();  // by now all is told that there is to tell of the first

  EXPECT_EQ(limit_.open(), 3);
}

}  // namespace
}  // namespace sidebus
