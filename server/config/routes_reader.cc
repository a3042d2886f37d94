// The `routes` part of ConfigReader.
#include <fmt/format.h>

#include <utility>

#include "server/config/config_reader.h"
#include "server/config/suggest.h"

namespace sidebus {
namespace {

using Kind = ConfigNode::Kind;

std::string UnknownRouteKey(const std::string& key) {
  const std::string near = Nearest(key, {"encoding", "schema", "partitioner"});
  if (!near.empty()) return fmt::format("unknown key; did you mean {}?", near);
  return "unknown key; a route has encoding, schema and partitioner";
}

}  // namespace

void ConfigReader::ReadRoutes(const ConfigNode& map) {
  if (map.kind != Kind::kMap) {
    return Problem(map, "routes",
                   fmt::format("expected a map from event type to topics, found {}", TypeOf(map)));
  }
  for (const ConfigNode& type : map.children) {
    const std::string type_path = fmt::format("routes.{}", type.key);
    if (type.kind != Kind::kMap) {
      Problem(
          type, type_path,
          fmt::format("expected a map from topic to {{encoding, schema}}, found {}", TypeOf(type)));
      continue;
    }
    for (const ConfigNode& topic : type.children) {
      RouteOverride route{type.key, topic.key, {}, "", fmt::format("{}.{}", type_path, topic.key)};
      draft_.places[route.path] = {source_, topic.line, topic.column, route.path, ""};
      if (topic.kind != Kind::kMap) {
        Problem(topic, route.path,
                fmt::format("expected a map with encoding or schema, found {}", TypeOf(topic)));
        continue;
      }
      ReadRoute(topic, route);
      draft_.routes.push_back(std::move(route));
    }
  }
}

void ConfigReader::ReadRoute(const ConfigNode& map, RouteOverride& route) {
  for (const ConfigNode& field : map.children) {
    const std::string path = fmt::format("{}.{}", route.path, field.key);
    draft_.places[path] = {source_, field.line, field.column, path, ""};
    const std::string word = field.kind == Kind::kScalar ? field.text : std::string(TypeOf(field));
    if (field.key == "schema") {
      const std::string* file = Text(field, path);
      if (file == nullptr) continue;
      if (file->empty()) Problem(field, path, "expected the name of a file, found nothing");
      route.schema_file = *file;
    } else if (field.key == "encoding") {
      if (word == "cloudevents" || word == "openedx") {
        route.encoding =
            word == "openedx" ? RecordEncoding::kOpenedx : RecordEncoding::kCloudEvents;
      } else {
        Problem(field, path,
                fmt::format("expected one of cloudevents, openedx; found \"{}\"", word));
      }
    } else if (field.key == "partitioner") {
      if (word != "consistent_random") {
        Problem(field, path,
                fmt::format("\"{}\" is not supported by this version; it has only "
                            "\"consistent_random\"",
                            word));
      }
    } else {
      Problem(field, path, UnknownRouteKey(field.key));
    }
  }
}

}  // namespace sidebus
