#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "server/config/load_config.h"

namespace sidebus {

// A directory of this test's own, removed with everything in it.
class ConfigFiles {
 public:
  ConfigFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "sidebus-config-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~ConfigFiles() { std::filesystem::remove_all(directory_); }
  ConfigFiles(const ConfigFiles&) = delete;
  ConfigFiles& operator=(const ConfigFiles&) = delete;

  const std::string& directory() const { return directory_; }

  // Writes a file and returns its path.
  std::string Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = std::filesystem::path(directory_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  // Reads a file with this text, and nothing else.
  ConfigReading Read(const std::string& text) const {
    ConfigSources sources;
    sources.file = Write("config.yaml", text);
    return ReadConfig(sources);
  }

 private:
  std::string directory_;
};

}  // namespace sidebus
