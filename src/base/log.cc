#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <cstdlib>

namespace ross {

spdlog::logger& log() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("ross", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("ross %L %Y-%m-%dT%H:%M:%S.%e %v");
    const char* level = std::getenv("ROSS_LOG");
    made->set_level(level == nullptr ? spdlog::level::warn : spdlog::level::from_str(level));
    return made;
  }();
  return *logger;
}

}  // namespace ross
