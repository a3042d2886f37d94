#include <chrono>
#include <cstdlib>

#include "server/registry/http_registry.h"
#include "tests/registry_contract/contract.h"
#include "tests/support/fake_http_registry.h"

namespace sidebus::registry_contract {
namespace {

constexpr char kVariable[] = "SIDEBUS_TEST_REGISTRY";

std::unique_ptr<HttpRegistry> RegistryAt(const std::string& url) {
  HttpRegistryOptions options;
  options.url = url;
  options.http.timeout = std::chrono::seconds(20);
  return HttpRegistry::Make(options).value();
}

// Against a server in this process that speaks the API.
class FakeFixture final : public RegistryFixture {
 public:
  SchemaRegistry& registry() override { return *registry_; }
  void RefuseIncompatible(const std::string& subject) override { server_.Freeze(subject); }
  void End() override { registry_.reset(); }

 private:
  FakeHttpRegistry server_;
  std::unique_ptr<HttpRegistry> registry_ = RegistryAt(server_.url());
};

// Against a real one, which compares versions by default.
class RealFixture final : public RegistryFixture {
 public:
  explicit RealFixture(const std::string& url) : registry_(RegistryAt(url)) {}

  SchemaRegistry& registry() override { return *registry_; }
  void RefuseIncompatible(const std::string&) override {}
  void End() override { registry_.reset(); }

 private:
  std::unique_ptr<HttpRegistry> registry_;
};

std::unique_ptr<RegistryFixture> MakeReal() {
  const char* const url = std::getenv(kVariable);
  if (url == nullptr || *url == '\0') return nullptr;
  return std::make_unique<RealFixture>(url);
}

INSTANTIATE_TEST_SUITE_P(
    Http, RegistryContract,
    testing::Values(Backend{"Fake", [] { return std::make_unique<FakeFixture>(); }, ""},
                    Backend{"Apicurio", MakeReal,
                            std::string("needs a real schema registry: set ") + kVariable +
                                " to the URL of its Confluent API, or use "
                                "tests/support/registry.py run"}),
    NameOfBackend);

}  // namespace
}  // namespace sidebus::registry_contract
