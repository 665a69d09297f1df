#include "server/control/exports.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ross::server::control {

Result<const Export*> Exports::find(std::string_view pool) const {
  std::vector<std::string_view> names;
  for (const Export& exported : exported_) {
    if (exported.name == pool) return &exported;
    names.emplace_back(exported.name);
  }
  return fail(ENOENT, fmt::format("no pool '{}' is served here: there is {}", pool, fmt::join(names, ", ")));
}

Result<std::shared_ptr<fs::FileSystem>> Exports::container(std::string_view pool, const std::string& name) {
  ROSS_TRY(const Export* const exported, find(pool));
  const std::string key = fmt::format("{}/{}", pool, name);
  const std::lock_guard lock(mutex_);
  absl::erase_if(open_, [](const auto& named) { return named.second.expired(); });
  if (const auto found = open_.find(key); found != open_.end()) {
    if (std::shared_ptr<fs::FileSystem> open = found->second.lock()) return open;
  }
  ROSS_TRY(std::unique_ptr<fs::FileSystem> opened, exported->pool->open_container(name));
  std::shared_ptr<fs::FileSystem> shared = std::move(opened);
  open_[key] = shared;
  return shared;
}

}  // namespace ross::server::control
