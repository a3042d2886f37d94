#pragma once

#include <string>

namespace sidebus {

// The JSON Schema (draft 2020-12) of the configuration file, for editors and pipelines. It accepts
// every file that the parser accepts; the parser checks more (addresses, contradictions, files).
std::string ConfigJsonSchema();

// The reference page in Markdown: one table row per key.
std::string ConfigReferencePage();

}  // namespace sidebus
