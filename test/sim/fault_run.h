// fault_run: one history, one fault, one judgement.
//
// The history runs on the engine and on the model in lock step until the fault shows as an error. From then on the
// contract of an error is what is judged: it is EIO, ENOSPC or EROFS; nothing has changed; what can be read is right; and the
// pool, opened again without the fault, holds everything acknowledged and nothing in part.
//
// Threading: owner thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "history.h"
#include "world.h"

namespace ross::sim {

struct FaultCounts {
  std::uint64_t runs = 0;
  std::uint64_t open_failures = 0;  // the pool refused to open with the fault
  std::uint64_t errors = 0;         // answers that differ from the model's by the fault
  std::uint64_t unread = 0;         // ends at which something could not be read
};

struct Fault {
  std::string name;
  // Sets the fault in a world that is about to open its pool, or, when late, has just opened it.
  std::function<void(World& world)> inject;
  bool late = false;
  // What was stored is damaged for good: errors remain after the pool is opened again.
  bool lasting = false;
  // A pool that failed for good answers every change with an error; after so many the history is over.
  int errors_max = 3;
};

// Empty when all is well, else what is wrong in one sentence.
std::string fault_run(const PoolImage& image, const std::vector<Step>& steps, const Fault& fault, FaultCounts& counts);

// How many of each thing the history asks for, so that a sweep knows its end.
struct FaultSpace {
  std::uint64_t requests = 0;  // of device 0, reads and writes
  std::uint64_t writes = 0;
  std::uint64_t flushes = 0;
  std::uint64_t store_reads = 0;
  std::uint64_t store_changes = 0;
  std::uint64_t store_syncs = 0;
};
std::string measure_history(const PoolImage& image, const std::vector<Step>& steps, FaultSpace& space);

}  // namespace ross::sim
