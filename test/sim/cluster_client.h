// ClusterClient: a process on a host of its own, with a session at the cluster's server, and what it does there.
//
// It attaches as a program does: asks the control plane, connects, opens its containers; then all its workers work at once, and
// take their turns with those of the other clients (shared_work.h). It may be killed, and it may be told that its session
// is lost; but that only when its server was silent for as long as it says it waits, or lost its memory with its power.
//
// Ownership: borrows the cluster. Threading: owner thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/remote_file_system.h"
#include "cluster.h"
#include "cluster_worker.h"
#include "shared_work.h"

namespace ross::sim {

class ClusterClient {
 public:
  // front: whom it asks for its session, and who serves it.
  ClusterClient(Cluster& cluster, ControlPlane& front, SharedWork& shared, unsigned number);
  ~ClusterClient();
  ClusterClient(const ClusterClient&) = delete;
  ClusterClient& operator=(const ClusterClient&) = delete;

  void add(std::unique_ptr<ClusterWorker> worker) { workers_.push_back(std::move(worker)); }
  void set_turns(unsigned turns) { turns_ = turns; }
  void start();
  // From here on nothing of it reaches the network. Its calls end soon.
  void kill();
  // Nothing of it is under way.
  [[nodiscard]] bool idle() const { return under_way_ == 0; }
  // Leaves the server as a process that ends; drives the loop. Once, when it is idle.
  void leave();
  [[nodiscard]] bool has_left() const { return left_; }

  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] bool killed() const { return killed_; }
  [[nodiscard]] bool is_lost() const { return lost_; }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }
  [[nodiscard]] const std::vector<std::unique_ptr<ClusterWorker>>& workers() const { return workers_; }
  [[nodiscard]] std::string doing() const;

  // ---- for its work ----
  static bool is_loss(int error) { return error == ESHUTDOWN || error == ETIMEDOUT; }
  // The server has answered something.
  void heard();
  // A call was told that the session is lost. Nothing when it may be.
  std::string lost(const std::string& what);
  // Whether the server may have given it up by now.
  [[nodiscard]] bool may_be_given_up() const;

 private:
  runtime::Task<std::string> attach();
  void reach();
  runtime::Task<std::string> work(ClusterWorker& worker);
  runtime::Task<Result<client::Recovery::Found>> come_back(std::int64_t deadline_ns);
  void run(runtime::Task<std::string> task);

  [[nodiscard]] server::Applicant self(bool returning) const;

  Cluster& cluster_;
  ControlPlane& front_;
  SharedWork& shared_;
  const std::string host_;
  wire::ClientId id_{};
  std::vector<std::unique_ptr<ClusterWorker>> workers_;
  unsigned turns_ = 0;
  std::shared_ptr<client::Session> session_;  // with the file systems
  std::vector<std::unique_ptr<fs::FileSystem>> open_;
  unsigned under_way_ = 0;
  bool killed_ = false;
  bool lost_ = false;
  bool left_ = false;
  // Of the server, when it gave the session: an answer may have been on its way since before one.
  std::uint64_t power_cuts_ = 0;
  std::int64_t heard_ns_ = 0;
  std::string trouble_;
};

}  // namespace ross::sim
