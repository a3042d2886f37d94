#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/avro/avro_kind.h"

namespace sidebus {

// What the schemas of Open edX events are called, in registries (the topic-record strategy of
// Confluent's serializers) and in files. `full_topic` is with the prefix.

// <full topic>-<event type>.CloudEvent
std::string ValueSubject(std::string_view full_topic, std::string_view event_type);

// <full topic>-string, -long, -boolean, ...: a key's schema is named after its type, whatever the
// field is called. `kind` is primitive.
std::string KeySubject(std::string_view full_topic, AvroKind kind);

// The file of `schemas.directory`: the event type with `+` for `.`, then `_schema.avsc`, as
// `manage.py generate_avro_schemas` names it. nullopt: the type makes no name of a file.
std::optional<std::string> SchemaFileName(std::string_view event_type);

}  // namespace sidebus
