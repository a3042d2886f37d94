#include "tests/support/fake_http_registry.h"

#include <nlohmann/json.hpp>

namespace sidebus {
namespace {

using Json = nlohmann::json;

std::pair<int, std::string> Error(int status, int code, const std::string& message) {
  return {status, Json{{"error_code", code}, {"message", message}}.dump()};
}

std::string Decoded(const std::string& encoded) {
  std::string text;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      text += encoded[i];
    } else {
      text += static_cast<char>(std::stoi(encoded.substr(i + 1, 2), nullptr, 16));
      i += 2;
    }
  }
  return text;
}

// Takes `prefix` off the front. False: it is not there.
bool Take(std::string& text, const std::string& prefix) {
  if (!text.starts_with(prefix)) return false;
  text.erase(0, prefix.size());
  return true;
}

}  // namespace

void FakeHttpRegistry::Freeze(const std::string& subject) {
  MutexLock lock(mu_);
  frozen_.insert(subject);
}

FakeHttpRegistry::Answer FakeHttpRegistry::AnswerTo(const FakeHttpServer::Request& request) {
  const std::size_t space = request.line.find(' ');
  const std::string method = request.line.substr(0, space);
  std::string path = request.line.substr(space + 1, request.line.rfind(' ') - space - 1);
  if (!Take(path, kPath)) return {404, "not here"};
  MutexLock lock(mu_);
  if (method == "GET" && Take(path, "/schemas/ids/")) return FindText(path);
  if (method != "POST" || !Take(path, "/subjects/")) return {404, "not here"};
  const Json body = Json::parse(request.body, nullptr, false);
  if (!body.contains("schema")) return Error(422, 42201, "no schema");
  const std::size_t slash = path.find('/');
  const std::string subject = Decoded(path.substr(0, slash));
  if (slash == std::string::npos) return FindId(subject, body["schema"]);
  if (path.substr(slash) == "/versions") return Register(subject, body["schema"]);
  return {404, "not here"};
}

FakeHttpRegistry::Answer FakeHttpRegistry::FindText(const std::string& id) {
  const auto found = texts_.find(id.size() < 10 ? std::stoi(id) : 0);
  if (found == texts_.end()) return Error(404, 40403, "Schema not found");
  return {200, Json{{"schema", found->second}}.dump()};
}

FakeHttpRegistry::Answer FakeHttpRegistry::Register(const std::string& subject,
                                                    const std::string& text) {
  if (!text.starts_with('{')) return Error(422, 42201, "Invalid schema");
  if (frozen_.contains(subject) && !versions_.contains({subject, text})) {
    return Error(409, 409, "Schema being registered is incompatible with an earlier schema");
  }
  const int id = ids_.emplace(text, static_cast<int>(ids_.size()) + 1).first->second;
  texts_.emplace(id, text);
  versions_.emplace(subject, text);
  return {200, Json{{"id", id}}.dump()};
}

FakeHttpRegistry::Answer FakeHttpRegistry::FindId(const std::string& subject,
                                                  const std::string& text) {
  if (!versions_.contains({subject, text})) return Error(404, 40403, "Schema not found");
  return {200, Json{{"subject", subject}, {"id", ids_[text]}, {"schema", text}}.dump()};
}

}  // namespace sidebus
