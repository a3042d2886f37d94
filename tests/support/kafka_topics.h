#pragma once

#include <string>
#include <vector>

namespace sidebus {

// Makes a topic on a real Kafka and waits until it has it. Empty: done; else why not.
std::string CreateKafkaTopic(const std::string& servers, const std::string& topic, int partitions);

// Makes the topic have `partitions`, which are more than it has. Empty: done; else why not.
std::string AddKafkaPartitions(const std::string& servers, const std::string& topic,
                               int partitions);

// Writes the values to partition 0 in one transaction, which is committed or aborted. Empty: done;
// else why not.
std::string WriteInTransaction(const std::string& servers, const std::string& topic,
                               const std::vector<std::string>& values, bool commit);

}  // namespace sidebus
