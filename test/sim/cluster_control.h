// ControlPlane: how the hosts of a cluster ask a server for a session, instead of gRPC: a function that takes its time, is parted with
// the host that calls, and whose answer may be lost.
//
// Ownership: borrows the cluster, and the server from open() to shut(). Threading: owner thread.
#pragma once

#include <cstdint>
#include <string>

#include "server/server.h"

namespace ross::sim {

class Cluster;

class ControlPlane {
 public:
  ControlPlane(Cluster& cluster, std::string host) : cluster_(cluster), host_(std::move(host)) {}

  // From now on it speaks for this server.
  void open(server::Server& server);
  // Nothing of it is heard any more, also no answer that is under way.
  void shut() { server_ = nullptr; }
  // A session for a client on the host `from`.
  runtime::Task<Result<server::Begun>> ask(std::string from, server::Applicant applicant, std::int64_t deadline_ns);

  [[nodiscard]] const std::string& host() const { return host_; }
  // Of the server's endpoint.
  [[nodiscard]] std::string address() const { return host_ + ":7470"; }
  [[nodiscard]] std::uint64_t life() const { return life_; }

 private:
  Cluster& cluster_;
  const std::string host_;
  server::Server* server_ = nullptr;
  std::uint64_t life_ = 0;
};

}  // namespace ross::sim
