// run_in_fresh_thread: a run that is the same however often and wherever it is played.
//
// RocksDB draws the heights of its skip lists, and with them when a write buffer is full, from dice of the thread, which begin at the
// thread's id and go on as long as the thread lives. So each run has a thread of its own, and the thread's id, an
// address on its stack, is the same in every process.
//
// Threading: one at a time.
#pragma once

#include <functional>

namespace ross::sim {

// Returns when work has. Where the stack's address is taken, another will do: then processes may differ.
void run_in_fresh_thread(const std::function<void()>& work);

}  // namespace ross::sim
