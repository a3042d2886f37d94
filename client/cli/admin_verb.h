#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "CLI/App.hpp"
#include "client/cli/output.h"
#include "fmt/format.h"
#include "sidebus/v1/admin.grpc.pb.h"

namespace sidebus::cli {

// What the verbs of operators have in common.
struct AdminFlags {
  std::optional<std::string> endpoint;
  std::string output = "text";
};

// Adds --output and --admin-endpoint.
void AddAdminFlags(CLI::App& verb, AdminFlags& flags);

// What --help says below the flags, and the exit codes.
void AddAdminFooter(CLI::App& verb, const std::string& text);

// Exit codes.
inline constexpr int kAdminCallFailed = 1;
inline constexpr int kAdminUsage = 2;

// Why the admin API did not do it, for people: what, where, how to fix.
std::string DescribeAdminError(const grpc::Status& status, const std::string& endpoint);

// Calls one method of the admin API and prints the answer: as JSON, or by `print`. `patience`: how
// long it may take; nullopt: as long as it takes. By default that of what asks brokers a few times,
// 10 s each at most.
class AdminCall {
 public:
  AdminCall(std::string verb, const AdminFlags& flags,
            std::optional<std::chrono::milliseconds> patience = std::chrono::seconds(60))
      : verb_(std::move(verb)), flags_(flags), patience_(patience) {}

  template <typename Request, typename Response>
  int Run(grpc::Status (sidebus::v1::EventBusAdmin::Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
          const Request& request, const std::function<void(const Response&)>& print) {
    const auto stub = Connect();
    if (stub == nullptr) return kAdminUsage;
    grpc::ClientContext context;
    if (patience_) context.set_deadline(std::chrono::system_clock::now() + *patience_);
    Response response;
    const grpc::Status status = (stub.get()->*method)(&context, request, &response);
    if (!status.ok()) return Failed(status);
    if (flags_.output == "json") {
      fmt::print("{}\n", ToJson(response));
    } else {
      print(response);
    }
    return 0;
  }

  // For what is not one answer. Null: the endpoint is malformed, and that was printed.
  std::unique_ptr<sidebus::v1::EventBusAdmin::Stub> Connect();
  // Prints why it was not done. The exit code.
  int Failed(const grpc::Status& status) const;

 private:
  const std::string verb_;
  const AdminFlags& flags_;
  const std::optional<std::chrono::milliseconds> patience_;
  std::string endpoint_;
};

}  // namespace sidebus::cli
