#include "server/admin/admin_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <utility>

#include "CivetServer.h"
#include "fmt/format.h"
#include "server/admin/gzip.h"
#include "server/admin/page_files.h"

namespace sidebus {
namespace {

struct Page {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::string_view policy = "default-src 'none'; frame-ancestors 'none'";
};

std::string_view StatusText(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

// What is smaller fits into a packet or two as it is.
constexpr std::size_t kWorthPacking = 2048;

// The page's body in gzip, where the client takes that and it is worth it.
std::optional<std::string> PackedFor(mg_connection* connection, const Page& page) {
  const char* accepted = mg_get_header(connection, "Accept-Encoding");
  if (accepted == nullptr || page.body.size() < kWorthPacking || !AcceptsGzip(accepted)) {
    return std::nullopt;
  }
  return Gzip(page.body);
}

bool Send(mg_connection* connection, const Page& page, bool with_body) {
  const std::optional<std::string> packed = PackedFor(connection, page);
  const std::string& body = packed.has_value() ? *packed : page.body;
  std::string answer = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "Vary: Accept-Encoding\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: {}\r\n"
      "Referrer-Policy: no-referrer\r\nConnection: close\r\n",
      page.status, StatusText(page.status), page.content_type, body.size(), page.policy);
  if (packed.has_value()) answer += "Content-Encoding: gzip\r\n";
  if (page.status == 405) answer += "Allow: GET, HEAD\r\n";
  answer += "\r\n";
  if (with_body) answer += body;
  mg_write(connection, answer.data(), answer.size());
  return true;
}

// Only from here, and only what the page has: neither plug-ins, nor forms, nor a frame around it.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

Page FilePage(std::string_view content_type, std::string_view content) {
  return Page{200, std::string(content_type), std::string(content), kPagePolicy};
}

Page ProbePage(const ProbeResult& result, bool verbose) {
  Page page;
  page.status = result.ok ? 200 : 503;
  if (verbose || !result.ok) {
    for (const ProbeResult::Check& check : result.checks) {
      page.body += fmt::format("[{}] {}{}{}\n", check.ok ? "+" : "-", check.name,
                               check.detail.empty() ? "" : ": ", check.detail);
    }
  }
  page.body += result.ok ? "ok\n" : "not ok\n";
  return page;
}

// What is there to ask, for those who asked for something else.
std::string_view OtherPaths(const AdminServer::Options& options) {
  if (options.probes_only) return "Try /livez, /readyz or /startupz.\n";
  return options.has_pages ? "Try /, /livez, /readyz, /startupz or /metrics.\n"
                           : "Try /livez, /readyz, /startupz or /metrics.\n";
}

Page NotFound(std::string_view what, std::string_view other_paths) {
  Page page;
  page.status = 404;
  page.body = fmt::format("{} {}", what, other_paths);
  return page;
}

// Answers one path; what is below it is not found.
class PageHandler final : public CivetHandler {
 public:
  using Make = std::function<Page(bool verbose)>;

  PageHandler(std::string path, Make make, std::string_view other_paths)
      : path_(std::move(path)), make_(std::move(make)), other_paths_(other_paths) {}

  bool handleGet(CivetServer*, mg_connection* connection) override {
    return Answer(connection, true);
  }
  bool handleHead(CivetServer*, mg_connection* connection) override {
    return Answer(connection, false);
  }
  bool handlePost(CivetServer*, mg_connection* connection) override { return Refuse(connection); }
  bool handlePut(CivetServer*, mg_connection* connection) override { return Refuse(connection); }
  bool handleDelete(CivetServer*, mg_connection* connection) override { return Refuse(connection); }
  bool handlePatch(CivetServer*, mg_connection* connection) override { return Refuse(connection); }
  bool handleOptions(CivetServer*, mg_connection* connection) override {
    return Refuse(connection);
  }

 private:
  bool Answer(mg_connection* connection, bool with_body) {
    const mg_request_info* request = mg_get_request_info(connection);
    if (path_ != request->local_uri) {
      return Send(connection, NotFound("Not found.", other_paths_), with_body);
    }
    const std::string_view query = request->query_string != nullptr ? request->query_string : "";
    return Send(connection, make_(query == "verbose" || query.starts_with("verbose=")), with_body);
  }

  static bool Refuse(mg_connection* connection) {
    return Send(connection,
                {405, "text/plain; charset=utf-8", "Only GET and HEAD are answered here.\n"}, true);
  }

  const std::string path_;
  const Make make_;
  const std::string_view other_paths_;
};

// Connects to a port of this machine and goes away. A failure does not matter.
void Knock(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  (void)connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
  close(fd);
}

bool IsIpv6(const AdminServer::Options& options) {
  return options.host.find(':') != std::string::npos;
}

std::string ListeningPort(const AdminServer::Options& options) {
  const bool ipv6 = IsIpv6(options);
  return fmt::format("{}{}{}:{}", ipv6 ? "[" : "", options.host, ipv6 ? "]" : "", options.port);
}

}  // namespace

class AdminServer::Impl {
 public:
  // Throws CivetException when the address cannot be bound.
  Impl(const Options& options, Metrics& metrics, const ProbeSource& probes,
       const StatusSource& status)
      : other_paths_(OtherPaths(options)),
        server_({"listening_ports", ListeningPort(options), "num_threads", "4",
                 "request_timeout_ms", options.probes_only ? "500" : "2000", "enable_keep_alive",
                 "no", "max_request_size", "16384"}) {
    AddPage("/livez", [&](bool verbose) { return ProbePage(probes.Live(), verbose); });
    AddPage("/readyz", [&](bool verbose) { return ProbePage(probes.Ready(), verbose); });
    AddPage("/startupz", [&](bool verbose) { return ProbePage(probes.Started(), verbose); });
    if (!options.probes_only) {
      AddPage("/metrics", [&](bool) {
        return Page{200, "text/plain; version=0.0.4; charset=utf-8", metrics.Serialize()};
      });
    }
    if (options.probes_only) {
      AddPage("", [](bool) { return Page(); });  // catches every other path: not found
    } else if (options.has_pages) {
      AddStatusPage(status);
    } else {
      // Catches every other path, too.
      AddPage("/", [paths = other_paths_](bool) {
        return NotFound("The status page is off here: `admin_pages: true` turns it on.", paths);
      });
    }
  }

  // civetweb looks for its stop flag only between two waits of 2 s for a connection, so connections
  // are made until it has stopped.
  ~Impl() {
    const int bound_port = port();
    std::future<void> closed = std::async(std::launch::async, [this] { server_.close(); });
    do {
      Knock(bound_port);
    } while (closed.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready);
  }

  int port() { return server_.getListeningPorts().front(); }

 private:
  void AddStatusPage(const StatusSource& status) {
    AddPage("/status.css", [](bool) { return FilePage("text/css; charset=utf-8", kStatusCss); });
    AddPage("/status.js",
            [](bool) { return FilePage("text/javascript; charset=utf-8", kStatusJs); });
    AddPage("/status.json", [&](bool) {
      return Page{200, "application/json", StatusJson(status.Report())};
    });
    // Catches every other path, too: not found.
    AddPage("/", [](bool) { return FilePage("text/html; charset=utf-8", kStatusHtml); });
  }

  void AddPage(const std::string& path, PageHandler::Make make) {
    handlers_.push_back(std::make_unique<PageHandler>(path, std::move(make), other_paths_));
    server_.addHandler(path.empty() ? "/" : path, *handlers_.back());
  }

  const std::string_view other_paths_;
  std::vector<std::unique_ptr<PageHandler>> handlers_;  // outlive the server's threads
  CivetServer server_;
};

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const Options& options,
                                                                Metrics& metrics,
                                                                const ProbeSource& probes,
                                                                const StatusSource& status) {
  if (IsIpv6(options) && mg_check_feature(MG_FEATURES_IPV6) == 0) {
    return absl::UnavailableError(fmt::format(
        "cannot listen on {}: civetweb {}, the library that serves this port, was built "
        "without IPv6: give an IPv4 address{}",
        ListeningPort(options), mg_version(),
        options.host == "::1"  ? ", such as 127.0.0.1"
        : options.host == "::" ? ", such as 0.0.0.0"
                               : ""));
  }
  try {
    auto impl = std::make_unique<Impl>(options, metrics, probes, status);
    Options bound = options;
    bound.port = impl->port();
    return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl), ListeningPort(bound)));
  } catch (const CivetException&) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}: the address is in use, or not one of this machine",
                    ListeningPort(options)));
  }
}

std::string AdminLibraryVersion() { return mg_version(); }

AdminServer::AdminServer(std::unique_ptr<Impl> impl, std::string address)
    : impl_(std::move(impl)), address_(std::move(address)) {}

AdminServer::~AdminServer() = default;

}  // namespace sidebus
