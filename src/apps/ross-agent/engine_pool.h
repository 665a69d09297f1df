// EnginePool: an engine's pool as the agent's own control plane needs it: pools, containers and names for who has no data plane.
//
// It connects when it is first asked, and anew when the engine was away: such calls are few. It speaks for the agent's own user,
// who has to be root to act for others. Ownership: containers opened from it keep their connection. Threading: any thread; blocks.
#pragma once

#include <memory>
#include <mutex>

#include "attach/connect.h"
#include "engine/pool.h"

namespace ross::agent_daemon {

class EnginePool final : public engine::Pool {
 public:
  EnginePool(attach::Url url, client::ClientTls tls) : url_(std::move(url)), tls_(std::move(tls)) {}

  Status create_container(std::string_view name, const engine::ContainerOptions& options) override;
  Status set_container(std::string_view name, const engine::ContainerOptions& options) override;
  Status destroy_container(std::string_view name) override;
  // None while the engine is away.
  std::vector<engine::ContainerInfo> containers() override;
  Result<engine::ContainerInfo> container(std::string_view name) override;
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) override;
  // Failed while the engine is away.
  engine::PoolInfo info() override;
  Status sync() override;
  Status close() override { return {}; }

 private:
  // The pool over a connection that has just been seen to work.
  Result<std::shared_ptr<engine::Pool>> live();

  const attach::Url url_;
  const client::ClientTls tls_;
  std::mutex mutex_;
  std::shared_ptr<engine::Pool> pool_;  // guarded by mutex_; with the calls at work on it
};

}  // namespace ross::agent_daemon
