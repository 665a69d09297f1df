// crash_run: one history, one power cut, one judgement.
//
// The history runs on the engine and on the model in lock step. At a random point, also inside an operation, the power goes.
// Then the pool is opened again and must show what the model was after some operation that is not before the last
// acknowledged sync: nothing acknowledged is lost, everything else is whole or absent, in order, byte for byte. fsck
// must find nothing, the history must go on, and when everything is removed all space must be free again.
//
// Threading: owner thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "history.h"
#include "world.h"

namespace ross::sim {

struct CrashCounts {
  std::uint64_t runs = 0;
  std::uint64_t steps = 0;
  std::uint64_t cut_inside = 0;     // the power went during an operation
  std::uint64_t lost_steps = 0;     // steps not acknowledged by a sync, and gone
  std::uint64_t kept_unsynced = 0;  // recovered states newer than the last acknowledged sync
  std::chrono::nanoseconds make{}, open{}, run{}, recover{}, judge{}, fsck{}, second{};  // where the time went
};

struct CrashOptions {
  HistoryOptions history;
  bool verbose = false;  // tell every step on stderr
  // What to run instead of what the seed draws (to make a failing history smaller).
  const std::vector<Step>* steps = nullptr;
};

// Empty when all is well, else what is wrong in one sentence.
std::string crash_run(const std::vector<const PoolImage*>& images, std::uint64_t seed, const CrashOptions& options,
                      CrashCounts& counts);

// Leaves out steps as long as the run still fails.
std::vector<Step> shrink(const std::vector<const PoolImage*>& images, std::uint64_t seed, const CrashOptions& options);

}  // namespace ross::sim
