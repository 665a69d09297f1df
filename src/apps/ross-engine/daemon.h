// Daemon: the pools of a configuration opened and served, and all of it ended in order.
//
//   ROSS_TRY(auto daemon, Daemon::start(config));
//   ... until a signal comes ...
//   Status status = daemon->stop();       // durable, or why not
//
// Threading: owner thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/ross-engine/config.h"
#include "engine/pool.h"
#include "server/control/control_server.h"
#include "server/control/exports.h"
#include "server/server.h"

namespace ross::engine_daemon {

class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(const Config& config);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  // Where the control plane is reached.
  [[nodiscard]] const std::string& address() const { return control_->address(); }
  // The fabrics it offers, in words.
  [[nodiscard]] std::string fabrics() const;
  // Takes no more sessions, cuts off those that are there, syncs and closes every pool. The first error.
  Status stop();

 private:
  struct Served {
    std::string name;
    std::shared_ptr<engine::Pool> pool;  // shared by attach
    std::unique_ptr<server::Server> server;
  };
  Daemon() = default;
  Status choose_fabrics(const Config& config);
  Status serve(const Config& config, const PoolConfig& pool);

  std::vector<server::control::FabricOffer> fabrics_;
  std::vector<std::pair<std::string, std::string>> missing_;  // fabrics not offered, and why
  std::vector<Served> served_;
  std::unique_ptr<server::control::Exports> exports_;
  std::unique_ptr<server::control::ControlServer> control_;
};

}  // namespace ross::engine_daemon
