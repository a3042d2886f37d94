#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/config/document.h"
#include "server/config/producer_config.h"

namespace sidebus {

// A producer config as one source has it: a field may be missing, because another source may give
// it. A null is a field that is missing.
struct PartialRoute {
  std::string topic;
  std::optional<std::string> event_key_field;
  std::optional<bool> enabled;
  ConfigProblem place;      // where the route was written; `what` is empty
  ConfigProblem key_place;  // where its event_key_field was
};
struct PartialEventType {
  std::string type;
  std::vector<PartialRoute> routes;
  ConfigProblem place;
};
using PartialProducerConfig = std::vector<PartialEventType>;

// Reads {event type: {topic: {event_key_field, enabled}}} with the strictness of Open edX. `path`
// is what problems call the whole; unknown fields of a route are warnings. What is wrong is left
// out of the result.
PartialProducerConfig ReadProducerConfig(const ConfigNode& node, const std::string& source,
                                         const std::string& path,
                                         std::vector<ConfigProblem>& problems,
                                         std::vector<ConfigProblem>& warnings);

// Open edX's merge: what `overrides` gives replaces, field by field; new types and topics come
// last, in their order; nothing is ever removed.
PartialProducerConfig MergeProducerConfigs(PartialProducerConfig original,
                                           const PartialProducerConfig& overrides);

// Checks that nothing is missing and that names are possible; `topic_prefix` counts in the length
// of a topic's name.
ProducerConfig FinishProducerConfig(const PartialProducerConfig& partial,
                                    const std::string& topic_prefix,
                                    std::vector<ConfigProblem>& problems,
                                    std::vector<ConfigProblem>& warnings);

}  // namespace sidebus
