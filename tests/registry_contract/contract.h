#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "server/codec/schema_registry.h"

// What every schema registry promises (server/codec/schema_registry.h), as tests. One takes part by
// a source file with a RegistryFixture and INSTANTIATE_TEST_SUITE_P.
namespace sidebus::registry_contract {

// One registry, which may know schemas of others.
class RegistryFixture {
 public:
  virtual ~RegistryFixture() = default;
  virtual SchemaRegistry& registry() = 0;
  // From now on new versions of the subject are refused unless they are compatible with those it
  // has.
  virtual void RefuseIncompatible(const std::string& subject) = 0;
  // Ends the registry (not what it talks to).
  virtual void End() = 0;
};

struct Backend {
  std::string name;
  std::function<std::unique_ptr<RegistryFixture>()> make;  // null: it is not there, skipped
  std::string needs;                                       // says then what is missing

  friend void PrintTo(const Backend& backend, std::ostream* out) { *out << backend.name; }
};

class RegistryContract : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override;

  // Ask, and wait for the answer.
  absl::StatusOr<std::string> FindText(SchemaId id);
  absl::StatusOr<SchemaId> Register(const SubjectSchema& schema);
  absl::StatusOr<SchemaId> FindId(const SubjectSchema& schema);

  SchemaRegistry& registry() { return fixture_->registry(); }

  // A subject, and a record with a string field, that nobody else uses.
  std::string NewSubject();
  std::string NewText();

  std::unique_ptr<RegistryFixture> fixture_;

 private:
  int used_ = 0;
};

inline std::string NameOfBackend(const testing::TestParamInfo<Backend>& one) {
  return one.param.name;
}

}  // namespace sidebus::registry_contract
