// The `listen` part of ConfigReader.
#include <fmt/format.h>

#include "server/config/config_checks.h"
#include "server/config/config_reader.h"
#include "server/config/config_table.h"
#include "server/config/units.h"

namespace sidebus {
namespace {

using Kind = ConfigNode::Kind;

std::string DefaultName(const Address& address) {
  if (!address.is_unix()) return address.ToString();
  std::string name = address.path.substr(address.path.rfind('/') + 1);
  if (name.size() > 5 && name.ends_with(".sock")) name.resize(name.size() - 5);
  return name;
}

}  // namespace

void ConfigReader::ReadListen(const ConfigNode& list) {
  if (list.kind != Kind::kList) {
    return Problem(list, "listen",
                   fmt::format("expected a list, as in [127.0.0.1:7420], found {}", TypeOf(list)));
  }
  if (list.children.empty()) {
    Problem(list, "listen", "the list is empty; name at least one address");
  }
  std::vector<ListenConfig> listeners;
  for (std::size_t i = 0; i < list.children.size(); ++i) {
    const std::string path = fmt::format("listen[{}]", i);
    const ConfigNode& item = list.children[i];
    std::optional<ListenConfig> listener = ReadListener(item, path);
    if (!listener) continue;
    const Address& address = listener->address;
    if (address.is_unix()) {
      if (std::string what = SocketProblem(address.path); !what.empty()) {
        Problem(item, path, std::move(what));
      }
    } else if (!address.is_loopback() && !listener->allow_insecure) {
      Problem(item, path,
              fmt::format("{} can be reached by other machines and there is no TLS; listen on "
                          "127.0.0.1 or a Unix socket, or write {{address: \"{}\", "
                          "allow_insecure: true}}",
                          address.ToString(), address.ToString()));
    }
    for (const ListenConfig& other : listeners) {
      if (other.address == address && (address.is_unix() || address.port != 0)) {
        Problem(item, path, fmt::format("{} is listed twice", address.ToString()));
      } else if (other.name == listener->name && other.address != address) {
        Problem(
            item, path,
            fmt::format("two listeners are named \"{}\"; give one another name", listener->name));
      }
    }
    listeners.push_back(*std::move(listener));
  }
  draft_.config.listen = std::move(listeners);
}

std::optional<ListenConfig> ConfigReader::ReadListener(const ConfigNode& item,
                                                       const std::string& path) {
  ListenConfig listener;
  if (item.kind == Kind::kMap) {
    const std::size_t problems_before = draft_.problems.size();
    ReadListenerMap(item, path, listener);
    if (draft_.problems.size() != problems_before) return std::nullopt;
  } else if (item.kind == Kind::kScalar) {
    const std::optional<Address> address = ReadAddress(item, path);
    if (!address) return std::nullopt;
    listener.address = *address;
  } else {
    Problem(item, path,
            fmt::format("expected an address or a map with an address, found {}", TypeOf(item)));
    return std::nullopt;
  }
  if (listener.name.empty()) listener.name = DefaultName(listener.address);
  return listener;
}

void ConfigReader::ReadListenerMap(const ConfigNode& map, const std::string& path,
                                   ListenConfig& listener) {
  bool has_address = false;
  const ConfigNode* only_for_sockets = nullptr;
  for (const ConfigNode& child : map.children) {
    const std::string child_path = fmt::format("{}.{}", path, child.key);
    const ConfigRow* row = FindRow("listen[]." + child.key);
    if (row == nullptr) {
      Problem(child, child_path, UnknownKey("listen[].", child.key));
    } else if (row->support == Support::kNo) {
      Problem(child, child_path,
              fmt::format("{} is not supported by this version; remove it", child_path));
    } else if (child.key == "address") {
      has_address = true;
      if (const auto address = ReadAddress(child, child_path)) listener.address = *address;
    } else if (child.key == "allow_insecure") {
      if (const auto on = Bool(child, child_path)) listener.allow_insecure = *on;
    } else if (child.key == "mode") {
      only_for_sockets = &child;
      const bool quoted = child.kind == Kind::kScalar && !child.plain;
      const absl::StatusOr<std::uint32_t> mode = ParseMode(quoted ? child.text : "");
      if (mode.ok()) {
        listener.mode = *mode;
      } else {
        Problem(child, child_path, "permissions are octal digits in quotes, as in \"0660\"");
      }
    } else if (const std::string* text = Text(child, child_path)) {
      if (text->empty()) Problem(child, child_path, "expected a name, found nothing");
      if (child.key == "group") only_for_sockets = &child;
      (child.key == "group" ? listener.group : listener.name) = *text;
    }
  }
  if (!has_address) {
    Problem(map, path, "address is missing; write {address: unix:/run/sidebus/app.sock}");
  } else if (only_for_sockets != nullptr && !listener.address.is_unix()) {
    Problem(*only_for_sockets, fmt::format("{}.{}", path, only_for_sockets->key),
            "only a Unix socket has permissions and a group; remove it");
  }
}

}  // namespace sidebus
