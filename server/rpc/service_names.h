#pragma once

// Full names of the services, as on the wire.
namespace sidebus::service_name {

inline constexpr const char* kEventBus = "sidebus.v1.EventBus";
inline constexpr const char* kEventBusAdmin = "sidebus.v1.EventBusAdmin";
inline constexpr const char* kHealth = "grpc.health.v1.Health";
inline constexpr const char* kReflection = "grpc.reflection.v1alpha.ServerReflection";

}  // namespace sidebus::service_name
