#include "faces/dfs/pool_names.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <toml++/toml.h>

namespace ross::dfs {
namespace {

constexpr std::size_t kConfigBytesMax = 1 << 20;

std::string variable_name(std::string_view pool) {
  std::string name = "ROSS_POOL_";
  for (const char c : pool) {
    const auto byte = static_cast<unsigned char>(c);
    name += std::isalnum(byte) != 0 ? static_cast<char>(std::toupper(byte)) : '_';
  }
  return name;
}

// The file to read; empty when there is none. One named by ROSS_CONFIG is meant, so it need not be there to be chosen.
std::string config_path() {
  if (const char* named = std::getenv("ROSS_CONFIG"); named != nullptr && *named != '\0') return named;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    std::string path = std::string(home) + "/.config/ross/config.toml";
    if (access(path.c_str(), F_OK) == 0) return path;
  }
  std::string path = "/etc/ross/config.toml";
  return access(path.c_str(), F_OK) == 0 ? path : std::string();
}

Result<std::string> read_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kConfigBytesMax + 1, '\0');
  if (!file.is_open()) return fail(ENOENT, fmt::format("cannot read the configuration {}", path));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kConfigBytesMax) return fail(EINVAL, fmt::format("{} is too large for a configuration", path));
  return text;
}

// The library's parser throws; this is as far as it gets.
Result<toml::table> parse(const std::string& text, const std::string& path) {
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return fail(EINVAL,
                fmt::format("{} line {} is not TOML: {}", path, error.source().begin.line, error.description()));
  }
}

}  // namespace

Result<std::string> pool_url(std::string_view name) {
  if (name.empty()) return fail(EINVAL, "the pool's name is empty");
  if (name.find('/') != name.npos || name.starts_with("local:")) return std::string(name);

  const std::string variable = variable_name(name);
  if (const char* url = std::getenv(variable.c_str()); url != nullptr && *url != '\0') return std::string(url);

  const std::string path = config_path();
  if (path.empty()) {
    return fail(ENOENT,
                fmt::format("no pool is called '{}': set {} to its URL, or write [pool.{}] url = \"local:...\" to "
                            "~/.config/ross/config.toml",
                            name, variable, name));
  }
  ROSS_TRY(const std::string text, read_config(path));
  ROSS_TRY(const toml::table table, parse(text, path));
  const toml::node_view<const toml::node> pool = table["pool"][name];
  if (!pool) {
    return fail(ENOENT,
                fmt::format("no pool is called '{}': add [pool.{}] url = \"local:...\" to {}", name, name, path));
  }
  const std::optional<std::string> url = pool["url"].value<std::string>();
  if (!url || url->empty()) {
    return fail(EINVAL, fmt::format("[pool.{}] in {} has no url: write url = \"local:DIRECTORY\"", name, path));
  }
  return *url;
}

}  // namespace ross::dfs
