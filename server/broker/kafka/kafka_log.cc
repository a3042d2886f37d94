#include "server/broker/kafka/kafka_log.h"

#include <chrono>

#include "server/base/log.h"

namespace sidebus {
namespace {

constexpr auto kPeriod = std::chrono::seconds(10);
constexpr int kSyslogError = 3;
constexpr int kSyslogNotice = 5;
constexpr int kSyslogInfo = 6;

// librdkafka calls a lost connection an error; with reconnects it is a warning.
LogLevel LevelOf(int level) {
  if (level < kSyslogError) return LogLevel::kError;
  if (level < kSyslogNotice) return LogLevel::kWarning;
  return level <= kSyslogInfo ? LogLevel::kInfo : LogLevel::kDebug;
}

}  // namespace

void KafkaLog::Callback(const rd_kafka_t* client, int level, const char* facility,
                        const char* text) {
  auto* log = static_cast<KafkaLog*>(rd_kafka_opaque(client));
  if (log != nullptr) log->Write(level, facility, text);
}

void KafkaLog::Write(int level, std::string_view facility, std::string_view text) {
  // Properties of producers that a consumer does not use, and the like.
  const LogLevel ours = facility == "CONFWARN" ? LogLevel::kDebug : LevelOf(level);
  if (!LogEnabled(ours)) return;
  std::uint64_t left_out = 0;
  if (ours != LogLevel::kDebug) {
    const SteadyTime now = Clock::Real().Now();
    MutexLock lock(mu_);
    Facility& entry = facilities_.try_emplace(std::string(facility)).first->second;
    if (now - entry.since >= kPeriod) {
      left_out = entry.left_out;
      entry = Facility{now, 0, 0};
    }
    if (entry.written == kLinesPerPeriod) {
      ++entry.left_out;
      return;
    }
    ++entry.written;
  }
  Log(ours, "librdkafka",
      {{"client", client_}, {"facility", facility}, {"text", text}, {"left_out", left_out}});
}

}  // namespace sidebus
