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

#include "apps/daemon/exporter.h"
#include "apps/ross-engine/config.h"

namespace ross::engine_daemon {

class Daemon {
 public:
  static Result<std::unique_ptr<Daemon>> start(const Config& config);

  [[nodiscard]] const daemon::Exporter& exporter() const { return *exporter_; }
  // Takes no more sessions, cuts off those that are there, syncs and closes every pool. The first error.
  Status stop() { return exporter_->sync_and_close(); }

 private:
  Daemon() = default;
  Status serve(const Config& config, const PoolConfig& pool);

  std::unique_ptr<daemon::Exporter> exporter_;
};

}  // namespace ross::engine_daemon
