#pragma once

#include <future>
#include <memory>

#include "absl/status/statusor.h"
#include "server/registry/http_client.h"
#include "server/registry/http_registry.h"
#include "server/registry/registry_facts.h"

namespace sidebus {

// Asks a registry one question, for a person who wants to know why a gateway would not work with it:
// GET /subjects, with the credentials that a gateway has. A long list is fine, up to 64 MiB.
//
// Ownership: owns the registry thread. Thread safety: none.
class RegistryProbe {
 public:
  // Asks, and does not wait. Errors are those of UrlOf().
  static absl::StatusOr<std::unique_ptr<RegistryProbe>> Start(HttpRegistryOptions options);

  // Waits for the answer, for as long as `http.timeout` of the options says. Once.
  RegistryFacts Wait() { return answer_.get(); }

 private:
  explicit RegistryProbe(const HttpOptions& options) : client_(options) {}

  std::future<RegistryFacts> answer_;
  HttpClient client_;
};

}  // namespace sidebus
