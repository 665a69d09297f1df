// ClusterFaults: what goes wrong in a cluster, and when: drawn from the seed, one thing after the other, some of them at once.
//
// Each comes a number of milliseconds after the one before: mostly soon, so that it falls into work; at times late, so
// that it falls into an outage, a lease or a silence. An engine that is down is started again after a while, which may be longer
// than its clients wait. What is not synced becomes durable by itself now and then, as in earnest.
//
// Half of what goes wrong in a cluster with an agent is the agent's: it is killed, also together with the engine, and stopped; the ways
// between it and the engine, and past it between clients and the engine, are cut on their own.
//
// Ownership: borrows all. Threading: owner thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster.h"
#include "cluster_agent.h"
#include "cluster_client.h"
#include "cluster_run.h"

namespace ross::sim {

class ClusterFaults {
 public:
  using Clients = std::vector<std::unique_ptr<ClusterClient>>;

  ClusterFaults(Cluster& cluster, ClusterCounts& counts) : cluster_(cluster), counts_(counts) {}
  // From now on. agent: null where there is none.
  void draw(ClusterAgent* agent);
  // When there is something to do by itself.
  [[nodiscard]] std::int64_t next_ns() const;
  // Does what is due; drives the loop. What is wrong in one sentence, or nothing.
  std::string look(const Clients& clients);

 private:
  void happen(const Clients& clients);
  void happen_to_agent(const Clients& clients, ClusterClient& one);
  void end_agent(const Clients& clients);
  void kill_some(const Clients& clients);
  // Parts them, for a short or a long time, and cuts their channels, or only one of these.
  void disturb(const std::string& host, const std::string& other);
  std::string look_after_engine(const Clients& clients);
  std::string look_after_agent();
  void end_engine(Cluster::End how, const Clients& clients);
  void keep_away(const Clients& clients);
  [[nodiscard]] std::int64_t start_time_ns();
  [[nodiscard]] const std::string& front() {
    return (agent_ != nullptr ? agent_->control() : cluster_.control()).host();
  }
  [[nodiscard]] std::int64_t soon_ns();
  [[nodiscard]] ClusterClient* pick(const Clients& clients);

  Cluster& cluster_;
  ClusterCounts& counts_;
  ClusterAgent* agent_ = nullptr;
  std::uint64_t left_ = 0;
  std::int64_t next_fault_ns_ = INT64_MAX;
  std::int64_t start_ns_ = INT64_MAX;  // of the engine
  std::int64_t agent_start_ns_ = INT64_MAX;
  std::int64_t commit_ns_ = INT64_MAX;
};

}  // namespace ross::sim
