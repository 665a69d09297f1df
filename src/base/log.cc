#include "base/log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdlib>
#include <iterator>

namespace ross {
namespace {

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const auto since = message.time.time_since_epoch();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    const auto level = spdlog::level::to_string_view(message.level);
    fmt::format_to(std::back_inserter(line), R"({{"time":"{:%Y-%m-%dT%H:%M:%S}.{:03}Z","level":"{}","message":")",
                   fmt::gmtime(static_cast<std::time_t>(ms / 1000)), ms % 1000,
                   std::string_view(level.data(), level.size()));
    for (const char c : message.payload) {
      if (c == '"' || c == '\\') line.push_back('\\');
      if (static_cast<unsigned char>(c) < 0x20) {
        fmt::format_to(std::back_inserter(line), "\\u{:04x}", static_cast<unsigned>(c));
      } else {
        line.push_back(c);
      }
    }
    constexpr std::string_view kEnd = "\"}\n";
    line.append(kEnd.data(), kEnd.data() + kEnd.size());
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

}  // namespace

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

void configure_log(std::string_view level, LogForm form) {
  if (std::getenv("ROSS_LOG") == nullptr) log().set_level(spdlog::level::from_str(std::string(level)));
  if (form == LogForm::kJson) log().set_formatter(std::make_unique<JsonFormatter>());
}

bool is_log_level(std::string_view word) {
  return word == "debug" || word == "info" || word == "warn" || word == "error" || word == "off";
}

}  // namespace ross
