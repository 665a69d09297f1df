// The log: one line per event on stderr, by spdlog. Warnings and errors by default; ROSS_LOG=debug|info|warn|error|off.
//
//   log().warn("device {}: {}", name, status.message());
//
// An error is logged once, where it is first seen. Threading: any thread.
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

namespace ross {

spdlog::logger& log();

enum class LogForm : bool {
  kText,  // "ross W 2026-01-31T12:00:00.000 device vdb: ..."
  kJson,  // {"time":"2026-01-31T12:00:00.000Z","level":"warn","message":"device vdb: ..."}
};
// For daemons, before they start threads. level as in ROSS_LOG, which goes over it.
void configure_log(std::string_view level, LogForm form);
// Whether a word is a level.
bool is_log_level(std::string_view word);

}  // namespace ross
