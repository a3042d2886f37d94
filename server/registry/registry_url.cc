#include "server/registry/registry_url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

#include "server/base/c_deleter.h"

namespace sidebus {
namespace {

using CurlUrl = std::unique_ptr<CURLU, CDeleter<curl_url_cleanup>>;

absl::Status Invalid(std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("schema_registry.url {}; write it as http://host:8081, with a path where the "
                  "registry has one, as in https://host/apis/ccompat/v7",
                  why));
}

bool Has(const CurlUrl& url, CURLUPart part) {
  char* text = nullptr;
  const bool found = curl_url_get(url.get(), part, &text, 0) == CURLUE_OK;
  curl_free(text);
  return found;
}

std::string Part(const CurlUrl& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

// Everything but RFC 3986's unreserved characters.
std::string PercentEncoded(std::string_view text) {
  static constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace

absl::StatusOr<RegistryUrl> RegistryUrl::Parse(const std::string& text) {
  const CurlUrl url(curl_url());
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
    return Invalid("is no URL");
  }
  const std::string scheme = Part(url, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return Invalid("is neither http nor https");
  if (Has(url, CURLUPART_USER) || Has(url, CURLUPART_PASSWORD)) {
    return Invalid("has a user or a password: put them into username_file and password_file");
  }
  if (Has(url, CURLUPART_QUERY) || Has(url, CURLUPART_FRAGMENT)) {
    return Invalid("has a query or a fragment");
  }
  std::string base = Part(url, CURLUPART_URL);
  while (base.ends_with('/')) base.pop_back();
  return RegistryUrl(std::move(base));
}

std::string RegistryUrl::Subjects() const { return base_ + "/subjects"; }

std::string RegistryUrl::TextOf(SchemaId id) const {
  return fmt::format("{}/schemas/ids/{}", base_, id.value());
}

std::string RegistryUrl::VersionsOf(std::string_view subject) const {
  return SubjectOf(subject) + "/versions";
}

std::string RegistryUrl::SubjectOf(std::string_view subject) const {
  return fmt::format("{}/subjects/{}", base_, PercentEncoded(subject));
}

}  // namespace sidebus
