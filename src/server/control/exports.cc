#include "server/control/exports.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ross::server::control {

Exports::Exports(std::vector<Export> exported, std::vector<FabricOffer> fabrics,
                 std::shared_ptr<identity::Directory> tenants)
    : exported_(std::move(exported)), fabrics_(std::move(fabrics)), tenants_(std::move(tenants)) {
  if (tenants_ != nullptr) tenants_->watch([this] { end_revoked(); });
}

Exports::~Exports() {
  if (tenants_ != nullptr) tenants_->stop_watching();
}

std::uint64_t Exports::end_revoked() const {
  const auto revoked = [this](const identity::Principal& who) { return tenants_->revoked(who); };
  std::uint64_t ended = 0;
  for (const Export& exported : exported_) ended += exported.servers->end_sessions(revoked);
  return ended;
}

std::uint64_t Exports::sessions_of(std::string_view tenant) const {
  std::uint64_t count = 0;
  for (const Export& exported : exported_) count += exported.servers->sessions_of(tenant);
  return count;
}

Usage Exports::usage_of(std::string_view tenant) const {
  Usage usage;
  for (const Export& exported : exported_) usage += exported.servers->usage_of(tenant);
  return usage;
}

Status Exports::may(const identity::Principal& who, std::string_view pool, std::string_view container,
                    identity::Access needs, std::string_view peer) const {
  using identity::Access;
  const Access has = who.access(pool, container);
  if (has >= needs) return {};
  const bool absent = has == Access::kNone && needs != Access::kAdmin;
  tenants_->refuse(absent ? identity::Reason::kNotYours : identity::Reason::kMissingRight, who,
                   {.peer = peer, .what = fmt::format("{} {}/{}", identity::to_word(needs), pool, container)});
  if (absent) return Status(ENOENT, fmt::format("no container '{}': make it with ross container create", container));
  if (needs == Access::kWrite) return Status(EROFS, fmt::format("tenant {} may only read this container", who.name()));
  return Status(EACCES, fmt::format("tenant {} does not administer {}/{}", who.name(), pool, container));
}

Result<const Export*> Exports::find(std::string_view pool, const identity::Principal& who) const {
  std::vector<std::string_view> names;
  for (const Export& exported : exported_) {
    if (!who.uses(exported.name)) continue;
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
