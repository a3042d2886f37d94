#pragma once

#include <array>
#include <string_view>

namespace sidebus {

// Names of CloudEvents in Kafka records.
inline constexpr std::string_view kAttributePrefix = "ce_";
inline constexpr std::string_view kContentType = "content-type";
inline constexpr std::string_view kDataContentType = "ce_datacontenttype";
inline constexpr std::string_view kTraceParent = "traceparent";
inline constexpr std::string_view kTraceState = "tracestate";

// What Open edX adds: headers, an extension, and a content type.
inline constexpr std::string_view kSourceHost = "sourcehost";
inline constexpr std::string_view kSourceLib = "sourcelib";
inline constexpr std::string_view kMinorVersion = "minorversion";
inline constexpr std::string_view kAvroContentType = "application/avro";

// Headers in which newer serializers of Confluent can name the schemas of key and value. What they
// come with is not framed.
inline constexpr std::string_view kKeySchemaHeader = "__key_schema_id";
inline constexpr std::string_view kValueSchemaHeader = "__value_schema_id";

// What no extension may be called.
inline constexpr std::array<std::string_view, 9> kAttributeNames = {
    "specversion", "id",         "source",          "type", "subject",
    "time",        "dataschema", "datacontenttype", "data"};

// Whether a content type says that the value is a whole event, not just its data.
bool IsCloudEventsContentType(std::string_view content_type);

// Whether a content type, with or without parameters, is application/avro.
bool IsAvroContentType(std::string_view content_type);

}  // namespace sidebus
