// ClusterAgent: an agent between the clients of a cluster and its engine, on a host of its own.
//
// The server is the real one, which has a session at the engine's for each client. Its process may be killed: from that moment nothing
// of it reaches the network, and then its objects end in the usual way. It may also be stopped; either way clients come back to the
// next one, which knows nothing.
//
// Ownership: borrows the cluster, which outlives it. Threading: owner thread. What is said to drive the loop is called from outside of
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "cluster.h"
#include "cluster_control.h"
#include "remote/model_pool.h"
#include "server/server.h"

namespace ross::sim {

class ClusterAgent {
 public:
  // Which data it stages is drawn here, for all its lives.
  ClusterAgent(Cluster& cluster, const std::set<std::string>& containers);
  ~ClusterAgent();
  ClusterAgent(const ClusterAgent&) = delete;
  ClusterAgent& operator=(const ClusterAgent&) = delete;

  // ---- each drives the loop ----
  // What is wrong in one sentence, or nothing.
  std::string start();
  // Ends it in the usual way.
  void stop();
  void kill();

  [[nodiscard]] bool up() const { return server_ != nullptr; }
  ControlPlane& control() { return control_; }
  server::Server& server() { return *server_; }
  [[nodiscard]] std::uint64_t kills() const { return kills_; }
  // Bytes that went through its memory, and past it, in all its lives.
  [[nodiscard]] std::uint64_t staged_bytes() const { return staged_bytes_; }
  [[nodiscard]] std::uint64_t past_bytes() const { return past_bytes_; }

 private:
  using Begun = Result<std::unique_ptr<client::Session>>;
  runtime::Task<Begun> begin_upstream(const server::Applicant& applicant, std::uint64_t life);
  runtime::Task<Result<client::Recovery::Found>> come_back(server::Applicant applicant, std::uint64_t life,
                                                           std::int64_t deadline_ns);
  [[nodiscard]] bool lives(std::uint64_t life) const { return plugged_ && life == control_.life(); }
  void end();

  Cluster& cluster_;
  ControlPlane control_;
  remote_test::ModelPool nothing_;
  server::Placement placement_ = server::Placement::kAuto;
  std::set<std::string> staged_containers_;
  std::unique_ptr<server::Server> server_;
  bool plugged_ = false;
  std::uint64_t kills_ = 0;
  std::uint64_t staged_bytes_ = 0;
  std::uint64_t past_bytes_ = 0;
};

}  // namespace ross::sim
