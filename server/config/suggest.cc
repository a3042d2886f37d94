#include "server/config/suggest.h"

#include <algorithm>
#include <numeric>

namespace sidebus {
namespace {

// Insertions, deletions, replacements and swaps of neighbours that make `a` of `b`.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

}  // namespace

std::string Nearest(std::string_view typed, const std::vector<std::string>& words) {
  constexpr std::size_t kLongestKey = 64;  // a longer one is no typing error
  std::string best;
  std::size_t best_distance = 0;
  if (typed.size() > kLongestKey) return best;
  for (const std::string& word : words) {
    const std::size_t distance = EditDistance(typed, word);
    if (distance > std::max<std::size_t>(1, word.size() / 3)) continue;
    if (best.empty() || distance < best_distance) {
      best = word;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace sidebus
