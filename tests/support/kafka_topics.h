#pragma once

#include <string>

namespace sidebus {

// Makes a topic on a real Kafka and waits until it has it. Empty: done; else why not.
std::string CreateKafkaTopic(const std::string& servers, const std::string& topic, int partitions);

}  // namespace sidebus
