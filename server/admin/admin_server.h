#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/admin/status_report.h"
#include "server/metrics/metrics.h"

namespace sidebus {

// One answer to a probe: whether all is well, and a line per check for `?verbose`.
struct ProbeResult {
  struct Check {
    std::string name;
    bool ok = false;
    std::string detail;  // no addresses, no secrets
  };
  bool ok = false;
  std::vector<Check> checks;
};

// What the probes ask. Called on the HTTP threads; must not block.
class ProbeSource {
 public:
  virtual ~ProbeSource() = default;

  // The process works: never depends on the broker, or an outage would restart every pod.
  virtual ProbeResult Live() const = 0;

  // Configured, and listening.
  virtual ProbeResult Started() const = 0;

  // Takes traffic, by the configured policy.
  virtual ProbeResult Ready() const = 0;
};

// civetweb's version, for example "1.15".
std::string AdminLibraryVersion();

// HTTP for operators: /livez /readyz /startupz, and unless `probes_only` /metrics; where it has pages
// the status page at / with what it consists of and reads (/status.css, /status.js, /status.json). GET
// and HEAD; 404 and 405 for anything else. `?verbose` lists the checks. To clients that take gzip, as
// Prometheus does, what is large goes in it.
//
// The page needs nothing from elsewhere, and its Content-Security-Policy forbids it.
//
// Threads: its own four; a client that says nothing, or does not read, has one of them for at most
// 2 s (probes only: 0.5 s), and others wait behind it. No keep-alive. Thread safety: construct and
// destroy on one thread.
class AdminServer {
 public:
  struct Options {
    std::string host = "127.0.0.1";
    int port = 0;  // 0: any free one
    bool probes_only = false;
    bool has_pages = true;  // the status page; false where strangers can ask
  };

  // `metrics`, `probes` and `status` must outlive the server. UNAVAILABLE names the address when it is
  // taken.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const Options& options,
                                                            Metrics& metrics,
                                                            const ProbeSource& probes,
                                                            const StatusSource& status);
  ~AdminServer();

  // Where it listens: "127.0.0.1:7421".
  const std::string& address() const { return address_; }

 private:
  class Impl;
  AdminServer(std::unique_ptr<Impl> impl, std::string address);

  std::unique_ptr<Impl> impl_;
  std::string address_;
};

}  // namespace sidebus
