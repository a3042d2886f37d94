#include "client/cli/admin_verb.h"

#include <cstdlib>

#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/endpoint.h"

namespace sidebus::cli {

void AddAdminFlags(CLI::App& verb, AdminFlags& flags) {
  verb.add_option("--output", flags.output, "text or json")->check(CLI::IsMember({"text", "json"}));
  verb.add_option("--admin-endpoint", flags.endpoint,
                  "The gateway's admin API, unix:/path or host:port (default: "
                  "$SIDEBUS_ADMIN_ENDPOINT, else unix:/run/sidebus/admin.sock)");
}

void AddAdminFooter(CLI::App& verb, const std::string& text) {
  verb.footer(text +
              "\n\nExit codes: 0 done, 1 not done, and why is said on stderr, 2 bad arguments.");
}

std::string DescribeAdminError(const grpc::Status& status, const std::string& endpoint) {
  // Else the admin API says what it cannot do with its broker.
  const bool no_method = status.error_details().empty() ||
                         status.error_message().find("no such method") != std::string::npos;
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED && no_method) {
    return fmt::format(
        "{} ({}): is it the application's API? The admin API is where `admin_api` "
        "of the configuration says",
        Describe(status), endpoint);
  }
  return Describe(
      status,
      fmt::format("no admin API answers at {}: set `admin_api` in the gateway's configuration (or "
                  "`sidebus serve --admin-api`), or say where it is with --admin-endpoint or "
                  "SIDEBUS_ADMIN_ENDPOINT",
                  endpoint));
}

std::unique_ptr<sidebus::v1::EventBusAdmin::Stub> AdminCall::Connect() {
  endpoint_ =
      ChooseEndpoint(flags_.endpoint, std::getenv("SIDEBUS_ADMIN_ENDPOINT"), kDefaultAdminEndpoint);
  const auto channel = ConnectTo(endpoint_);
  if (channel.ok()) return sidebus::v1::EventBusAdmin::NewStub(*channel);
  PrintError(verb_, std::string(channel.status().message()));
  return nullptr;
}

int AdminCall::Failed(const grpc::Status& status) const {
  PrintError(verb_, DescribeAdminError(status, endpoint_));
  return kAdminCallFailed;
}

}  // namespace sidebus::cli
