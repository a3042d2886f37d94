#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/base/mutex.h"

struct ssl_ctx_st;
struct ssl_st;

namespace sidebus {

// An HTTP/1.1 server that a test plays, well or badly, on a free port of 127.0.0.1.
//
// The handler is called for each request, on a thread of its connection, and answers in bytes. When
// it returns, the next request of the connection is read, unless it called Close().
//
// Life: the destructor cuts all connections and waits for their handlers.
class FakeHttpServer {
 public:
  struct Request {
    std::string line;  // "GET /path HTTP/1.1"
    std::string head;  // all of it, with the line
    std::string body;
  };

  class Connection {
   public:
    // False: the client has gone.
    bool Send(std::string_view bytes);

    // Waits until the client has gone, or the server ends.
    void WaitUntilGone();

    // Sends `bytes` one by one, a few milliseconds apart, over and over, until the client has gone.
    void Drip(std::string_view bytes);

    // No more requests of this connection are read.
    void Close() { open_ = false; }

   private:
    friend class FakeHttpServer;
    std::size_t Receive(char* into, std::size_t size);
    bool IsGone(int wait_ms) const;

    int fd_ = -1;
    ssl_st* tls_ = nullptr;
    bool open_ = true;
    std::string unread_;
    std::thread thread_;
  };

  using Handler = std::function<void(const Request&, Connection&)>;

  // A certificate that signs itself, for that host, and its key: PEM. Empty: no TLS.
  struct Identity {
    std::string certificate;
    std::string key;
  };
  static Identity MakeIdentity(const std::string& host);

  explicit FakeHttpServer(Handler handler, const Identity& identity = {});
  ~FakeHttpServer();
  FakeHttpServer(const FakeHttpServer&) = delete;
  FakeHttpServer& operator=(const FakeHttpServer&) = delete;

  // "http://127.0.0.1:1234", or https.
  std::string url() const;

  // In the order in which they came.
  std::vector<Request> requests() const;
  std::size_t connections() const;

 private:
  void Accept();
  void Serve(Connection& connection);
  bool Read(Connection& connection, Request& request);

  const Handler handler_;
  int fd_ = -1;
  int port_ = 0;
  ssl_ctx_st* tls_ = nullptr;
  std::atomic<bool> stopping_{false};
  mutable Mutex mu_;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mu_);
  std::vector<Request> requests_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

// An answer with a body.
std::string HttpAnswerText(int status, std::string_view body, std::string_view more_headers = "");

}  // namespace sidebus
