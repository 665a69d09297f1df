// kept_run: one history on a pool that serves clients, several ends of the process or of the machine, a judgement after each.
//
// The history runs on the engine and on the model in lock step; each changing step carries the name of a client's change; now and then
// everything is kept, or synced. At a random point, also inside an operation, the process is killed or the power goes. Then
// the pool is opened again and must show what the model was after some step: after a kill not before the last keep, after a
// power cut not before the last sync. What is remembered must be what was remembered after that very step. Then the client
// resends what was not answered: what is remembered is skipped, the rest is done again, and the history goes on.
//
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "history.h"
#include "world.h"

namespace ross::sim {

struct KeptCounts {
  std::uint64_t runs = 0;
  std::uint64_t steps = 0;
  std::uint64_t keeps = 0;
  std::uint64_t kills = 0;
  std::uint64_t power_cuts = 0;
  std::uint64_t inside = 0;          // the end came during an operation
  std::uint64_t resent_skipped = 0;  // not answered, but made
  std::uint64_t resent_done = 0;     // not answered and not made
  std::uint64_t kept_lost = 0;       // steps that were kept, and that a power cut took back
};

// Empty when all is well, else what is wrong in one sentence.
std::string kept_run(const std::vector<const PoolImage*>& images, std::uint64_t seed, bool verbose, KeptCounts& counts);

}  // namespace ross::sim
