// ClusterWorker: one chain of calls in a container of its own, each answer checked by a model, through whatever happens.
//
// While the server's process is killed and comes back, while connections are cut, the worker must notice nothing: every answer is the
// model's. Its end is one of three: all steps done; the session lost (its client was killed, or told so); or a power cut of
// the server, which may have taken back what was not synced, so that the model knows no more. The states that its container may
// be found in follow from that.
//
// Threading: owner thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster.h"
#include "history.h"
#include "twin.h"

namespace ross::sim {

class ClusterClient;

class ClusterWorker {
 public:
  ClusterWorker(Cluster& cluster, std::string container, model::ModelState state, std::vector<Step> steps);

  // All steps. Nothing when all is well, else what is wrong.
  runtime::Task<std::string> work(ClusterClient& client, fs::FileSystem& remote);
  // What is in the container now must be what may be there.
  std::string judge(fs::FileSystem& container);

  [[nodiscard]] const std::string& container() const { return container_; }
  [[nodiscard]] std::uint64_t steps_done() const { return states_.size() - 1; }
  [[nodiscard]] bool undecided() const { return undecided_; }
  [[nodiscard]] const std::string& doing() const { return doing_; }

 private:
  struct State {
    model::ModelState model;
    std::string after;
  };

  Cluster& cluster_;
  const std::string container_;
  const std::vector<Step> steps_;
  SimClock clock_;  // the model's own: times are not compared
  std::optional<Twin> twin_;
  std::vector<State> states_;     // at first and after each step; the last may be one without an answer
  std::size_t synced_ = 0;        // the last one that a sync covers
  std::uint64_t power_cuts_ = 0;  // of the server, when it began
  bool called_ = false;           // the server, in this step
  bool all_answered_ = false;
  bool undecided_ = false;  // a change met a server that had lost what it stood on
  std::string doing_;
};

}  // namespace ross::sim
