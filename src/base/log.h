// The log: one line per event on stderr, by spdlog. Warnings and errors by default; ROSS_LOG=debug|info|warn|error|off.
//
//   log().warn("device {}: {}", name, status.message());
//
// An error is logged once, where it is first seen. Threading: any thread.
#pragma once

#include <spdlog/spdlog.h>

namespace ross {

spdlog::logger& log();

}  // namespace ross
