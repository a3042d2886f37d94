#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/codec/schema_registry.h"

namespace sidebus {

// Where a registry with Confluent's API is: `http://host:8081`, or with a path, as Apicurio has it:
// `https://host/apis/ccompat/v7`. A value.
class RegistryUrl {
 public:
  // INVALID_ARGUMENT: it is no absolute http or https URL, or has more than a path: a user or a
  // password (they come from files), a query, a fragment.
  static absl::StatusOr<RegistryUrl> Parse(const std::string& text);

  // Where the API has the names of all subjects, the text of an id, the versions of a subject, and the
  // subject itself.
  std::string Subjects() const;
  std::string TextOf(SchemaId id) const;
  std::string VersionsOf(std::string_view subject) const;
  std::string SubjectOf(std::string_view subject) const;

 private:
  explicit RegistryUrl(std::string base) : base_(std::move(base)) {}

  std::string base_;  // without a slash at its end
};

}  // namespace sidebus
