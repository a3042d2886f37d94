#pragma once

#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/codec/schema_registry.h"

namespace sidebus {

// What is said to a schema registry and what its answers mean: the bodies of Confluent's HTTP API,
// and where other registries differ, that of Apicurio.
//
// Only what is surely a registry's word about a schema is taken for it. Everything else, a 404 of a
// server that does not know the path, for instance, is REGISTRY_DOWN: a wrong URL or a broken proxy
// must not turn good records into dead letters. What tells them apart is `error_code` in the body.
//
//   status          Find the text of an id   Register            Find the id of a text
//   200, as it is   the text                 the id              the id
//   404 + 404xx     SCHEMA_MISSING           REGISTRY_DOWN       SCHEMA_INCOMPATIBLE
//   409, 413        REGISTRY_DOWN            SCHEMA_INCOMPATIBLE SCHEMA_INCOMPATIBLE
//   422, 400 + any  REGISTRY_DOWN            SCHEMA_INCOMPATIBLE SCHEMA_INCOMPATIBLE
//   all others      REGISTRY_DOWN            REGISTRY_DOWN       REGISTRY_DOWN
//
// The functions take an HTTP status and a body of any size and content. Messages quote at most a
// few hundred bytes of what the registry says, and nothing of a body that is not a registry's.

// The body of a request about that text, which is UTF-8.
std::string SchemaRequestBody(std::string_view text);

// The answer to GET /schemas/ids/{id}.
absl::StatusOr<SchemaRegistry::Text> ReadTextAnswer(SchemaId id, int status, std::string_view body);

// The answer to POST /subjects/{subject}/versions.
absl::StatusOr<SchemaId> ReadRegisterAnswer(std::string_view subject, int status,
                                            std::string_view body);

// The answer to POST /subjects/{subject}.
absl::StatusOr<SchemaId> ReadFindIdAnswer(std::string_view subject, int status,
                                          std::string_view body);

// The answer to GET /subjects: their names. All else is REGISTRY_DOWN.
absl::StatusOr<std::set<std::string>> ReadSubjectsAnswer(int status, std::string_view body);

}  // namespace sidebus
