// Exporter: the servers of a daemon, each with its pool, and the control plane before them; all of it ended in order.
//
//   ROSS_TRY(auto exporter, Exporter::create(config));
//   ROSS_STATUS(exporter->add({.name = "pool0", .pool = pool, .sockets = "/srv/ross/pool0/", .options = options}));
//   ROSS_STATUS(exporter->open("ross-engine 0.1.0"));
//   ... until a signal comes ...
//   Status status = exporter->sync_and_close();       // durable, or why not
//
// Threading: owner thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "apps/daemon/config.h"
#include "apps/daemon/fabrics.h"
#include "engine/pool.h"
#include "server/control/control_server.h"
#include "server/control/exports.h"
#include "server/server_group.h"

namespace ross::daemon {

class Exporter {
 public:
  static Result<std::unique_ptr<Exporter>> create(const Config& config);
  ~Exporter();
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  struct Export {
    std::string name;
    std::shared_ptr<engine::Pool> pool;  // shared by attach
    std::string sockets;                 // what the path of a socket begins with
    server::ServerOptions options;       // names and tenants are set here
    std::size_t threads = 0;             // servers; 0: one for each core
    bool pin = false;                    // each to a core of its own
  };
  // Starts a pool's servers. Errors: those of a fabric, and of listening.
  Status add(Export exported);
  // Clients may come. Errors: those of ControlServer::start.
  Status open(const std::string& program);
  // Where the control plane is reached.
  [[nodiscard]] const std::string& address() const { return control_->address(); }
  // " ross://127.0.0.1:7470/pool0 ..."
  [[nodiscard]] std::string urls() const;
  [[nodiscard]] std::string fabrics() const { return fabrics_.names(); }
  // Takes no more sessions, cuts off those that are there. The pools go with the exporter.
  void close();
  // The same, and every pool is synced. The first error.
  Status sync_and_close();

 private:
  struct Served {
    std::string name;
    std::shared_ptr<engine::Pool> pool;  // shared by attach
    std::unique_ptr<server::ServerGroup> servers;
  };
  explicit Exporter(const Config& config) : config_(config) {}

  const Config config_;
  Fabrics fabrics_;
  std::shared_ptr<identity::Directory> tenants_;  // shared with servers; null: none
  std::vector<Served> served_;
  std::unique_ptr<server::control::Exports> exports_;
  std::unique_ptr<server::control::ControlServer> control_;
};

}  // namespace ross::daemon
