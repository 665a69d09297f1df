// cluster_run: one seed of the whole chain: clients, network, server, engine, with everything that may go wrong, and a judgement; also
// with an agent in between, which stages data or lets it go past.
//
// One to three clients work at once, each with several chains of calls (cluster_worker.h) and turns with the others
// (shared_work.h). Meanwhile channels are cut, hosts are parted, the engine's process is killed, its power is cut, it is stopped and
// started, clients are killed and others come in their place. Judged is: every answer, at once; and when all have left: what
// each container holds, that no session, lock, client's record or window is left, that fsck finds nothing, and that all space is back.
//
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <string>

#include "world.h"

namespace ross::sim {

struct ClusterCounts {
  std::uint64_t runs = 0;
  std::uint64_t clients = 0;
  std::uint64_t steps = 0;
  std::uint64_t turns = 0;
  std::uint64_t races = 0;
  std::uint64_t kills = 0;
  std::uint64_t power_cuts = 0;
  std::uint64_t by_itself = 0;  // of these, at a thing written
  std::uint64_t stops = 0;
  std::uint64_t clients_killed = 0;
  std::uint64_t clients_lost = 0;  // told that their session is gone
  std::uint64_t cuts = 0;          // of channels
  std::uint64_t partitions = 0;
  std::uint64_t messages = 0;
  std::uint64_t skipped_here = 0;    // asked for again, and made before: in the server's same life
  std::uint64_t skipped_across = 0;  // and in an earlier one
  std::uint64_t agent_kills = 0;
  std::uint64_t agent_stops = 0;
  std::uint64_t staged_bytes = 0;  // through the agent's memory
  std::uint64_t past_bytes = 0;    // past it
  std::uint64_t undecided = 0;     // containers of which, after a power cut, nothing is promised
  std::uint64_t seconds = 0;       // simulated
  std::uint64_t digest = 0;        // of all runs: two that are the same have the same
};

struct ClusterOptions {
  std::uint64_t seed = 0;
  bool agent = false;
  bool verbose = false;
};

// Empty when all is well, else what is wrong in one sentence.
std::string cluster_run(const PoolImage& image, const ClusterOptions& options, ClusterCounts& counts);

}  // namespace ross::sim
