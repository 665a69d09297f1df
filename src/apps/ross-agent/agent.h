// Agent: the exports of a configuration served, and all of it ended in order.
//
//   ROSS_TRY(auto agent, Agent::start(config));
//   ... until a signal comes ...
//   agent->stop();       // what hosts hold stays at the engines, for them to come back to
//
// Engines need not be there when it starts: hosts are told so until they are. Threading: owner thread.
#pragma once

#include <memory>

#include "apps/daemon/exporter.h"
#include "apps/ross-agent/config.h"

namespace ross::agent_daemon {

class Agent {
 public:
  static Result<std::unique_ptr<Agent>> start(const Config& config);

  [[nodiscard]] const daemon::Exporter& exporter() const { return *exporter_; }
  void stop() { exporter_->close(); }

 private:
  Agent() = default;
  Status serve(const Config& config, const ExportConfig& exported);

  std::unique_ptr<daemon::Exporter> exporter_;
};

}  // namespace ross::agent_daemon
