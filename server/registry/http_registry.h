#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/codec/schema_registry.h"
#include "server/metrics/schema_metrics.h"
#include "server/registry/http_client.h"
#include "server/registry/http_options.h"
#include "server/registry/registry_url.h"

namespace sidebus {

struct HttpRegistryOptions {
  std::string url;  // with the path that the API is under, if there is one
  HttpOptions http;
};

// Where it is, after a look at the files that the options name. INVALID_ARGUMENT, FAILED_PRECONDITION:
// the URL is none, or a file cannot be read; the text names the key of the configuration.
absl::StatusOr<RegistryUrl> UrlOf(const HttpRegistryOptions& options);

// A schema registry with Confluent's HTTP API: Confluent's own, or Apicurio. What its
// answers mean is in codec/registry_messages.h.
//
//   FindText   GET  /schemas/ids/{id}
//   Register   POST /subjects/{subject}/versions
//   FindId     POST /subjects/{subject}
//
// Each call is one request: SchemaCache has the answers, one request for equal calls, and a pause
// after a failure. (libcurl repeats a request where a kept connection turns out to be closed. None
// of the three does any harm when it is done twice.)
//
// Ownership: owns the registry thread, on which callbacks run. Thread safety: as SchemaRegistry
// says.
class HttpRegistry final : public SchemaRegistry {
 public:
  // Never waits for the registry. Errors are those of UrlOf().
  static absl::StatusOr<std::unique_ptr<HttpRegistry>> Make(const HttpRegistryOptions& options,
                                                            SchemaMetrics metrics = {});

  void FindText(SchemaId id, OnText done) override;
  void Register(SubjectSchema schema, OnId done) override;
  void FindId(SubjectSchema schema, OnId done) override;

 private:
  HttpRegistry(RegistryUrl url, HttpOptions options, SchemaMetrics metrics);

  // Sends a request; `read` makes a value of the answer's status and body.
  template <typename Value, typename Read>
  void Ask(HttpRequest request, SchemaMetrics::Question& metrics, Read read,
           absl::AnyInvocable<void(absl::StatusOr<Value>)> done);

  const RegistryUrl url_;
  SchemaMetrics metrics_;
  HttpClient client_;  // last: its thread uses the metrics
};

}  // namespace sidebus
