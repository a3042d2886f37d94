#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/codec/confluent_frame.h"

namespace sidebus {

// A schema text under a subject, which is what the registry compares versions within.
struct SubjectSchema {
  std::string subject;  // any text, not encoded
  std::string text;     // UTF-8; registries may tell texts apart that mean the same

  friend bool operator==(const SubjectSchema&, const SubjectSchema&) = default;
};

// Schemas by id, and ids by schema: what a schema registry with Confluent's API knows.
//
// Each request has exactly one callback. It runs on a thread of the registry's, with no lock held,
// never from inside the request, and must neither block nor throw. Requests that are not answered
// when the registry is destroyed are answered then, and answers that are being given are over,
// before the destructor returns; so it must not be run from inside one.
//
// Errors of all:
//   REGISTRY_DOWN  there is no answer, or none that a registry gives: it is down, slow, overloaded,
//                  fails, refuses our credentials, is something else, or was asked too much at a
//                  time. Says nothing about the schema; ask again later.
// Every other error is the registry's own word and stays until somebody changes something there.
//
// Thread safety: all methods may be called from any thread; none blocks.
class SchemaRegistry {
 public:
  using Text = std::shared_ptr<const std::string>;  // never null
  using OnText = absl::AnyInvocable<void(absl::StatusOr<Text>)>;
  using OnId = absl::AnyInvocable<void(absl::StatusOr<SchemaId>)>;

  virtual ~SchemaRegistry() = default;

  // The text of the Avro schema with that id. SCHEMA_MISSING: there is none, so what was written
  // with it can never be decoded.
  virtual void FindText(SchemaId id, OnText done) = 0;

  // The id of that schema, which becomes a version of its subject if it is none yet.
  // SCHEMA_INCOMPATIBLE: refused, because it is not compatible with earlier versions, or is no
  // schema as this registry sees it; the message is the registry's.
  virtual void Register(SubjectSchema schema, OnId done) = 0;

  // The same, but changes nothing. SCHEMA_INCOMPATIBLE: it is no version of its subject, or no
  // schema as this registry sees it.
  virtual void FindId(SubjectSchema schema, OnId done) = 0;
};

}  // namespace sidebus
