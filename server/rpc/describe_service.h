#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/base/clock.h"
#include "server/broker/producer.h"
#include "server/routing/router.h"
#include "server/rpc/publish_service.h"
#include "server/rpc/server_call.h"
#include "server/subscribe/subscriber.h"
#include "sidebus/v1/event_bus.pb.h"

namespace sidebus {

// What Describe tells besides routes.
struct Description {
  std::string version;
  std::vector<std::string> features;
  std::set<std::string, std::less<>> need_schema;  // event types
  RequestLimits requests;
  Window max_window;
  Duration min_lease{};
  Duration max_lease{};
};

using RouterProvider = std::function<std::shared_ptr<const Router>()>;
using ConditionProvider = std::function<BrokerCondition()>;
using DrainingProvider = std::function<bool()>;  // deliveries are drained, or the gateway stops

// The method Describe. Asks nobody outside the process.
// Ownership: outlives the loops. Thread safety: Serve() is called on the loops' threads.
class DescribeService {
 public:
  DescribeService(Description description, RouterProvider router, ConditionProvider condition,
                  DrainingProvider draining, const Clock& clock);

  // Answers the call whose message was read.
  void Serve(CallRef call, grpc::ByteBuffer message);

 private:
  absl::StatusOr<sidebus::v1::DescribeResponse> Answer(
      const sidebus::v1::DescribeRequest& request) const;
  void AddType(const EventTypeRoutes& type, sidebus::v1::DescribeResponse& response) const;

  const Description description_;
  const RouterProvider router_;
  const ConditionProvider condition_;
  const DrainingProvider draining_;
  const Clock& clock_;
};

}  // namespace sidebus
