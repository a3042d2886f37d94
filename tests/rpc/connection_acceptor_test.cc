#include "server/rpc/connection_acceptor.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "tests/rpc/raw_http2.h"
#include "tests/rpc/rpc_fixture.h"

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
    const std::size_t before = Taken();
    RawHttp2 client(Path());
    EXPECT_TRUE(Eventually([&] { return Taken() > before; }));
    return client;
  }

  std::size_t Taken() {
    MutexLock lock(mu_);
    return taken_.size();
  }

  bool NoneIsOpenSoon() {
    return Eventually([&] { return limit_.open() == 0; });
  }

  std::string folder_;
  Metrics metrics_;
  ConnectionLimit limit_{10};
  Mutex mu_;
  std::vector<FileDescriptor> taken_ ABSL_GUARDED_BY(mu_);
  std::optional<ConnectionAcceptor> acceptor_;
};

TEST_F(ConnectionAcceptorTest, AConnectionCountsUntilItsClientHangsUp) {
  {
    const RawHttp2 one = Connect();
    const RawHttp2 other = Connect();
    EXPECT_EQ(limit_.open(), 2);
  }

  EXPECT_TRUE(NoneIsOpenSoon());
}

// The kernel would go on to tell of the first, by the number of a descriptor that the next one has.
TEST_F(ConnectionAcceptorTest, OneThatTheServerIsSlowToCloseIsNotTakenForTheNext) {
  FileDescriptor lower(eventfd(0, EFD_CLOEXEC));
  { const RawHttp2 first = Connect(); }
  EXPECT_TRUE(NoneIsOpenSoon());
  // So that there are as many free numbers below the first duplicate's as the next client needs: its
  // duplicate gets that one.
  { const FileDescriptor closed = std::move(lower); }

  const RawHttp2 second = Connect();
  const RawHttp2 third = Connect();
  const RawHttp2 fourth = Connect();  // by now all is told that there is to tell of the first

  EXPECT_EQ(limit_.open(), 3);
}

}  // namespace
}  // namespace sidebus
