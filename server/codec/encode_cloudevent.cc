#include <algorithm>
#include <utility>

#include "server/codec/attributes.h"
#include "server/codec/cloudevents.h"
#include "server/codec/rfc3339.h"

namespace sidebus {
namespace {

bool IsTraceHeader(const Header& header) {
  return header.name == kTraceParent || header.name == kTraceState;
}

// How many headers the record has.
std::size_t HeaderCount(const Event& event) {
  constexpr std::size_t kAlways = 5;  // specversion, id, source, type, time
  return kAlways + (event.subject.empty() ? 0 : 1) + (event.data_schema.empty() ? 0 : 1) +
         (event.content_type.empty() ? 0 : 1) + event.extensions.size() + event.headers.size();
}

}  // namespace

Record EncodeCloudEvent(Event&& event, std::optional<std::string> key) {
  Record record;
  record.key = std::move(key);
  record.value = std::move(event.data);

  std::vector<Header>& headers = record.headers;
  headers.reserve(HeaderCount(event));
  const auto add = [&headers](std::string_view name, std::string value) {
    headers.push_back(Header{std::string(name), std::move(value)});
  };
  add("ce_specversion", "1.0");
  add("ce_id", std::move(event.id));
  add("ce_source", std::move(event.source));
  add("ce_type", std::move(event.type));
  if (!event.subject.empty()) add("ce_subject", std::move(event.subject));
  add("ce_time", FormatRfc3339(event.time.value_or(EventTime())));
  if (!event.data_schema.empty()) add("ce_dataschema", std::move(event.data_schema));
  if (!event.content_type.empty()) add(kContentType, std::move(event.content_type));
  for (auto& [name, value] : event.extensions) {
    std::string full_name(kAttributePrefix);
    full_name += name;
    headers.push_back(Header{std::move(full_name), std::move(value)});
  }
  if (std::any_of(event.headers.begin(), event.headers.end(), IsTraceHeader)) {
    std::stable_sort(
        event.headers.begin(), event.headers.end(), [](const Header& a, const Header& b) {
          const auto rank = [](const Header& header) {
            return header.name == kTraceParent ? 0 : header.name == kTraceState ? 1 : 2;
          };
          return rank(a) < rank(b);
        });
  }
  std::move(event.headers.begin(), event.headers.end(), std::back_inserter(headers));
  return record;
}

}  // namespace sidebus
