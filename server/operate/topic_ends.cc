#include "server/operate/topic_ends.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sidebus {
namespace {

using Found = absl::StatusOr<std::vector<Position>>;

StartPosition At(StartPosition::At at) { return {.at = at, .positions = {}}; }

TopicEnds Join(const std::vector<Position>& begins, const std::vector<Position>& ends) {
  TopicEnds result{.partitions = ends.size(), .unread = {}};
  for (const Position& end : ends) {
    const auto begin = std::ranges::find(begins, end.partition, &Position::partition);
    if (begin != begins.end() && begin->offset >= end.offset) continue;
    result.unread.emplace(end.partition, end.offset);
  }
  return result;
}

}  // namespace

void FindTopicEnds(GroupAdmin& groups, std::shared_ptr<Gate> gate, const std::string& topic,
                   absl::AnyInvocable<void(absl::StatusOr<TopicEnds>)> then) {
  groups.FindOffsets(
      {topic}, At(StartPosition::At::kEarliest),
      Behind(gate, [&groups, gate, topic, then = std::move(then)](Found begins) mutable {
        if (!begins.ok()) return then(begins.status());
        groups.FindOffsets(
            {topic}, At(StartPosition::At::kLatest),
            Behind(gate, [begins = *std::move(begins), then = std::move(then)](Found ends) mutable {
              if (!ends.ok()) return then(ends.status());
              then(Join(begins, *ends));
            }));
      }));
}

}  // namespace sidebus
