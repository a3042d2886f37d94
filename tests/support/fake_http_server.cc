#include "tests/support/fake_http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "server/base/check.h"

namespace sidebus {
namespace {

constexpr int kDripMs = 5;

std::string TextOf(BIO* memory) {
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(memory, &data));
  std::string text(data, size);
  BIO_free(memory);
  return text;
}

SSL_CTX* MakeTls(const FakeHttpServer::Identity& identity) {
  SSL_CTX* const tls = SSL_CTX_new(TLS_server_method());
  BIO* const certificate_text = BIO_new_mem_buf(identity.certificate.data(), -1);
  X509* const certificate = PEM_read_bio_X509(certificate_text, nullptr, nullptr, nullptr);
  BIO* const key_text = BIO_new_mem_buf(identity.key.data(), -1);
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_text, nullptr, nullptr, nullptr);
  SIDEBUS_CHECK(SSL_CTX_use_certificate(tls, certificate) == 1);
  SIDEBUS_CHECK(SSL_CTX_use_PrivateKey(tls, key) == 1);
  EVP_PKEY_free(key);
  BIO_free(key_text);
  X509_free(certificate);
  BIO_free(certificate_text);
  return tls;
}

// The value of "Content-Length", or 0.
std::size_t BodySize(const std::string& head) {
  const std::size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
}

}  // namespace

FakeHttpServer::Identity FakeHttpServer::MakeIdentity(const std::string& host) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* const names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, host.c_str());
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());

  BIO* const certificate_text = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate_text, certificate);
  BIO* const key_text = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(key_text, key, nullptr, nullptr, 0, nullptr, nullptr);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return {TextOf(certificate_text), TextOf(key_text)};
}

FakeHttpServer::FakeHttpServer(Handler handler, const Identity& identity)
    : handler_(std::move(handler)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  std::signal(SIGPIPE, SIG_IGN);  // as the gateway does
  if (!identity.key.empty()) tls_ = MakeTls(identity);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  SIDEBUS_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&at), size) == 0);
  SIDEBUS_CHECK(listen(fd_, 64) == 0);
  SIDEBUS_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { Accept(); });
}

FakeHttpServer::~FakeHttpServer() {
  stopping_ = true;
  shutdown(fd_, SHUT_RDWR);
  thread_.join();
  close(fd_);
  std::list<Connection> connections;
  {
    MutexLock lock(mu_);
    connections.swap(connections_);
  }
  for (Connection& connection : connections) shutdown(connection.fd_, SHUT_RDWR);
  for (Connection& connection : connections) {
    connection.thread_.join();
    SSL_free(connection.tls_);
    close(connection.fd_);
  }
  SSL_CTX_free(tls_);
}

std::string FakeHttpServer::url() const {
  return fmt::format("{}://127.0.0.1:{}", tls_ == nullptr ? "http" : "https", port_);
}

std::vector<FakeHttpServer::Request> FakeHttpServer::requests() const {
  MutexLock lock(mu_);
  return requests_;
}

std::size_t FakeHttpServer::connections() const {
  MutexLock lock(mu_);
  return connections_.size();
}

void FakeHttpServer::Accept() {
  while (!stopping_) {
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    MutexLock lock(mu_);
    Connection& connection = connections_.emplace_back();
    connection.fd_ = fd;
    connection.thread_ = std::thread([this, &connection] { Serve(connection); });
  }
}

void FakeHttpServer::Serve(Connection& connection) {
  if (tls_ != nullptr) {
    connection.tls_ = SSL_new(tls_);
    SSL_set_fd(connection.tls_, connection.fd_);
    if (SSL_accept(connection.tls_) != 1) return;
  }
  for (Request request; connection.open_ && Read(connection, request); request = {}) {
    {
      MutexLock lock(mu_);
      requests_.push_back(request);
    }
    handler_(request, connection);
  }
  shutdown(connection.fd_, SHUT_RDWR);
}

bool FakeHttpServer::Read(Connection& connection, Request& request) {
  std::string& unread = connection.unread_;
  for (;;) {
    const std::size_t end = unread.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::size_t body_at = end + 4;
      const std::size_t body_size = BodySize(unread.substr(0, end + 2));
      if (unread.size() >= body_at + body_size) {
        request.line = unread.substr(0, unread.find("\r\n"));
        request.head = unread.substr(0, end + 2);
        request.body = unread.substr(body_at, body_size);
        unread.erase(0, body_at + body_size);
        return true;
      }
    }
    char buffer[4096];
    const std::size_t got = connection.Receive(buffer, sizeof buffer);
    if (got == 0) return false;
    unread.append(buffer, got);
  }
}

std::size_t FakeHttpServer::Connection::Receive(char* into, std::size_t size) {
  const auto got = tls_ != nullptr ? SSL_read(tls_, into, static_cast<int>(size))
                                   : static_cast<int>(recv(fd_, into, size, 0));
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

bool FakeHttpServer::Connection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 << 20);
    const auto sent = tls_ != nullptr
                          ? SSL_write(tls_, bytes.data(), static_cast<int>(size))
                          : static_cast<int>(send(fd_, bytes.data(), size, MSG_NOSIGNAL));
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool FakeHttpServer::Connection::IsGone(int wait_ms) const {
  pollfd waiting{fd_, POLLRDHUP, 0};
  return poll(&waiting, 1, wait_ms) != 0;
}

void FakeHttpServer::Connection::WaitUntilGone() { IsGone(-1); }

void FakeHttpServer::Connection::Drip(std::string_view bytes) {
  for (std::size_t i = 0; Send(bytes.substr(i, 1)) && !IsGone(kDripMs);) i = (i + 1) % bytes.size();
}

std::string HttpAnswerText(int status, std::string_view body, std::string_view more_headers) {
  return fmt::format("HTTP/1.1 {} Said\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(),
                     more_headers, body);
}

}  // namespace sidebus
