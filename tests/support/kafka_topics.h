#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sidebus {

// Makes a topic on a real Kafka and waits until it has it. Empty: done; else why not.
std::string CreateKafkaTopic(const std::string& servers, const std::string& topic, int partitions);

// Deletes a topic, and waits until it is gone. Empty: done; else why not.
std::string DeleteKafkaTopic(const std::string& servers, const std::string& topic);

// Where a group stands on partition 0 of a topic: what is committed beside the offset, as it is. The
// group must not have members. Empty: done; else why not.
std::string SetKafkaPosition(const std::string& servers, const std::string& group,
                             const std::string& topic, std::int64_t offset,
                             const std::string& metadata);

// Makes the topic have `partitions`, which are more than it has. Empty: done; else why not.
std::string AddKafkaPartitions(const std::string& servers, const std::string& topic,
                               int partitions);

// Writes the values to partition 0 in one transaction, which is committed or aborted. Empty: done;
// else why not.
std::string WriteInTransaction(const std::string& servers, const std::string& topic,
                               const std::vector<std::string>& values, bool commit);

}  // namespace sidebus
