#include "server/app/outside_options.h"

namespace sidebus {
namespace {

GroupProtocol GroupProtocolOf(RebalanceProtocol protocol) {
  switch (protocol) {
    case RebalanceProtocol::kClassic:
      return GroupProtocol::kClassic;
    case RebalanceProtocol::kConsumer:
      return GroupProtocol::kConsumer;
    case RebalanceProtocol::kAuto:
      break;
  }
  return GroupProtocol::kAuto;
}

}  // namespace

KafkaBrokerOptions KafkaBrokerOptionsOf(const Config& config) {
  KafkaBrokerOptions options;
  options.bootstrap_servers = config.broker.bootstrap_servers;
  options.properties = config.broker.properties;
  options.publish_timeout = config.publish.timeout;
  options.max_event_bytes = config.limits.max_event_bytes;
  options.group_protocol = GroupProtocolOf(config.subscribe.group_protocol);
  options.assignor = config.subscribe.assignor == PartitionAssignor::kRange
                         ? Assignor::kRange
                         : Assignor::kCooperativeSticky;
  options.halt_on_truncated = config.subscribe.on_truncated == OnTruncated::kHalt;
  options.static_member = config.subscribe.static_member;
  return options;
}

HttpRegistryOptions HttpRegistryOptionsOf(const SchemaRegistryConfig& config) {
  HttpRegistryOptions options;
  options.url = config.url;
  options.http.timeout = config.timeout;
  options.http.ca_file = config.ca_file;
  options.http.username_file = config.username_file;
  options.http.password_file = config.password_file;
  return options;
}

}  // namespace sidebus
