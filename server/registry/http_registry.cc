#include "server/registry/http_registry.h"

#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "server/base/error.h"
#include "server/codec/registry_messages.h"
#include "server/registry/secret_file.h"

namespace sidebus {
namespace {

// What would else be found out with the first request only.
absl::Status CheckFiles(const HttpOptions& options) {
  if (options.username_file.empty() != options.password_file.empty()) {
    return absl::InvalidArgumentError(
        "schema_registry.username_file and password_file belong together: set both or none");
  }
  if (!options.username_file.empty()) {
    const auto username = ReadSecretFile("schema_registry.username_file", options.username_file);
    if (!username.ok()) return username.status();
    const auto password = ReadSecretFile("schema_registry.password_file", options.password_file);
    if (!password.ok()) return password.status();
  }
  if (!options.ca_file.empty() && !std::ifstream(options.ca_file)) {
    return absl::FailedPreconditionError(
        "schema_registry.ca_file: the file cannot be opened: check that it exists and may be read");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RegistryUrl> UrlOf(const HttpRegistryOptions& options) {
  absl::StatusOr<RegistryUrl> url = RegistryUrl::Parse(options.url);
  if (!url.ok()) return url.status();
  if (const absl::Status files = CheckFiles(options.http); !files.ok()) return files;
  return url;
}

absl::StatusOr<std::unique_ptr<HttpRegistry>> HttpRegistry::Make(const HttpRegistryOptions& options,
                                                                 SchemaMetrics metrics) {
  absl::StatusOr<RegistryUrl> url = UrlOf(options);
  if (!url.ok()) return url.status();
  return std::unique_ptr<HttpRegistry>(
      new HttpRegistry(*std::move(url), options.http, std::move(metrics)));
}

HttpRegistry::HttpRegistry(RegistryUrl url, HttpOptions options, SchemaMetrics metrics)
    : url_(std::move(url)), metrics_(std::move(metrics)), client_(std::move(options)) {}

void HttpRegistry::FindText(SchemaId id, OnText done) {
  Ask<Text>(
      {url_.TextOf(id), ""}, metrics_.find,
      [id](const HttpAnswer& answer) { return ReadTextAnswer(id, answer.status, answer.body); },
      std::move(done));
}

void HttpRegistry::Register(SubjectSchema schema, OnId done) {
  HttpRequest request{url_.VersionsOf(schema.subject), SchemaRequestBody(schema.text)};
  Ask<SchemaId>(
      std::move(request), metrics_.registering,
      [subject = std::move(schema.subject)](const HttpAnswer& answer) {
        return ReadRegisterAnswer(subject, answer.status, answer.body);
      },
      std::move(done));
}

void HttpRegistry::FindId(SubjectSchema schema, OnId done) {
  HttpRequest request{url_.SubjectOf(schema.subject), SchemaRequestBody(schema.text)};
  Ask<SchemaId>(
      std::move(request), metrics_.lookup,
      [subject = std::move(schema.subject)](const HttpAnswer& answer) {
        return ReadFindIdAnswer(subject, answer.status, answer.body);
      },
      std::move(done));
}

template <typename Value, typename Read>
void HttpRegistry::Ask(HttpRequest request, SchemaMetrics::Question& metrics, Read read,
                       absl::AnyInvocable<void(absl::StatusOr<Value>)> done) {
  client_.Send(std::move(request), [&metrics, read = std::move(read), done = std::move(done)](
                                       absl::StatusOr<HttpAnswer> answer) mutable {
    if (!answer.ok()) {
      (absl::IsDeadlineExceeded(answer.status()) ? metrics.timeout : metrics.error).Increment();
      return done(
          MakeError(Reason::kRegistryDown,
                    fmt::format("schema registry: {}", std::string(answer.status().message()))));
    }
    absl::StatusOr<Value> value = read(*answer);
    const bool down = !value.ok() && ReasonOf(value.status()) == Reason::kRegistryDown;
    (down ? metrics.error : metrics.miss).Increment();
    done(std::move(value));
  });
}

}  // namespace sidebus
