#include "server/base/thread_timers.h"
#include "tests/registry_contract/contract.h"
#include "tests/support/memory_registry.h"

namespace sidebus::registry_contract {
namespace {

class MemoryFixture final : public RegistryFixture {
 public:
  SchemaRegistry& registry() override { return *registry_; }
  void RefuseIncompatible(const std::string& subject) override { registry_->Freeze(subject); }
  void End() override { registry_.reset(); }

 private:
  ThreadTimers timers_;
  std::unique_ptr<MemoryRegistry> registry_ =
      std::make_unique<MemoryRegistry>(Clock::Real(), timers_);
};

INSTANTIATE_TEST_SUITE_P(Memory, RegistryContract,
                         testing::Values(Backend{
                             "Memory", [] { return std::make_unique<MemoryFixture>(); }, ""}),
                         NameOfBackend);

}  // namespace
}  // namespace sidebus::registry_contract
