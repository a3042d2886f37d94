#include "server/registry/registry_probe.h"

#include <utility>

#include "server/codec/registry_messages.h"

namespace sidebus {
namespace {

constexpr std::size_t kMostAnswerBytes = std::size_t{64} * 1024 * 1024;

RegistryFacts FactsOf(const absl::StatusOr<HttpAnswer>& answer, SteadyTime asked) {
  RegistryFacts facts;
  facts.took = Clock::Real().Now() - asked;
  facts.our_time = Clock::Real().WallNow();
  facts.answered = answer.ok();
  if (!answer.ok()) {
    facts.subjects = answer.status();
    return facts;
  }
  facts.its_time = answer->date;
  facts.subjects = ReadSubjectsAnswer(answer->status, answer->body);
  return facts;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RegistryProbe>> RegistryProbe::Start(HttpRegistryOptions options) {
  const absl::StatusOr<RegistryUrl> url = UrlOf(options);
  if (!url.ok()) return url.status();
  options.http.max_answer_bytes = kMostAnswerBytes;
  std::unique_ptr<RegistryProbe> probe(new RegistryProbe(options.http));
  auto promise = std::make_shared<std::promise<RegistryFacts>>();
  probe->answer_ = promise->get_future();
  probe->client_.Send({url->Subjects(), ""}, [promise, asked = Clock::Real().Now()](
                                                 const absl::StatusOr<HttpAnswer>& answer) {
    promise->set_value(FactsOf(answer, asked));
  });
  return probe;
}

}  // namespace sidebus
