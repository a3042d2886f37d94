#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "server/event/event.h"

namespace sidebus {

// Why an event is not published: code, words for people, metadata. All without outcome.

absl::Status EventTooLarge(std::uint64_t bytes, std::uint64_t limit);
absl::Status EventTypeUnknown(const std::string& type);
absl::Status TopicNotRouted(const std::string& type, const std::string& topic);
absl::Status RouteDisabled(const std::string& type, const std::string& topic);
absl::Status NoKeyWithoutData(const std::string& type, const std::string& key_field);
absl::Status TopicMissing(const std::string& topic);
absl::Status BrokerDown();
absl::Status SchemaMissing(const std::string& type);
absl::Status RegistryTooSlow();
absl::Status Draining();
absl::Status DeadlineTooShort();

}  // namespace sidebus
