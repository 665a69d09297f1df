// ClusterFaults: what goes wrong in a cluster, and when: drawn from the seed, one thing after the other, some of them at once.
//
// Each comes a number of milliseconds after the one before: mostly soon, so that it falls into work; at times late, so
// that it falls into an outage, a lease or a silence. An engine that is down is started again after a while, which may be longer
// than its clients wait. What is not synced becomes durable by itself now and then, as in earnest.
//
// Ownership: borrows all. Threading: owner thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster.h"
#include "cluster_client.h"
#include "cluster_run.h"

namespace ross::sim {

class ClusterFaults {
 public:
  using Clients = std::vector<std::unique_ptr<ClusterClient>>;

  ClusterFaults(Cluster& cluster, ClusterCounts& counts) : cluster_(cluster), counts_(counts) {}
  // From now on.
  void draw();
  // When there is something to do by itself.
  [[nodiscard]] std::int64_t next_ns() const;
  // Does what is due; drives the loop. What is wrong in one sentence, or nothing.
  std::string look(const Clients& clients);

 private:
  void happen(const Clients& clients);
  void end_engine(Cluster::End how, const Clients& clients);
  void keep_away(const Clients& clients);
  void plan_start();
  [[nodiscard]] std::int64_t soon_ns();
  [[nodiscard]] ClusterClient* pick(const Clients& clients);

  Cluster& cluster_;
  ClusterCounts& counts_;
  std::uint64_t left_ = 0;
  std::int64_t next_fault_ns_ = INT64_MAX;
  std::int64_t start_ns_ = INT64_MAX;  // of the engine
  std::int64_t commit_ns_ = INT64_MAX;
};

}  // namespace ross::sim
