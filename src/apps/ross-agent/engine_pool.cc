#include "apps/ross-agent/engine_pool.h"

namespace ross::agent_daemon {

Result<std::shared_ptr<engine::Pool>> EnginePool::live() {
  const std::lock_guard lock(mutex_);
  if (pool_ != nullptr) {
    // Any answer will do, as long as it comes from there.
    const auto answer = pool_->container("?");
    if (answer.has_value() || answer.error().retry() != Retry::kSession) return pool_;
    pool_.reset();
  }
  ROSS_TRY(pool_, attach::connect(url_, {.tls = tls_, .outlives = false}));
  return pool_;
}

Status EnginePool::create_container(std::string_view name, const engine::ContainerOptions& options) {
  const auto pool = live();
  return pool.has_value() ? (*pool)->create_container(name, options) : pool.error();
}

Status EnginePool::set_container(std::string_view name, const engine::ContainerOptions& options) {
  const auto pool = live();
  return pool.has_value() ? (*pool)->set_container(name, options) : pool.error();
}

Status EnginePool::destroy_container(std::string_view name) {
  const auto pool = live();
  return pool.has_value() ? (*pool)->destroy_container(name) : pool.error();
}

std::vector<engine::ContainerInfo> EnginePool::containers() {
  const auto pool = live();
  return pool.has_value() ? (*pool)->containers() : std::vector<engine::ContainerInfo>();
}

Result<engine::ContainerInfo> EnginePool::container(std::string_view name) {
  ROSS_TRY(const auto pool, live());
  return pool->container(name);
}

Result<std::unique_ptr<fs::FileSystem>> EnginePool::open_container(std::string_view name) {
  ROSS_TRY(const auto pool, live());
  return pool->open_container(name);
}

engine::PoolInfo EnginePool::info() {
  const auto pool = live();
  if (pool.has_value()) return (*pool)->info();
  engine::PoolInfo info;
  info.failed = pool.error().message();
  return info;
}

Status EnginePool::sync() {
  const auto pool = live();
  return pool.has_value() ? (*pool)->sync() : pool.error();
}

}  // namespace ross::agent_daemon
