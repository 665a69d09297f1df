// Scan: counts beside a copy what there is to copy, so that the progress bar can tell how long it takes.
//
// Best effort: what cannot be read is not counted. Threading: owner thread; the totals from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "apps/ross/copy/tree.h"
#include "runtime/loop.h"

namespace ross::cli::copy {

struct Totals {
  std::atomic<std::uint64_t> bytes = 0;
  std::atomic<std::uint64_t> items = 0;
  std::atomic<bool> complete = false;  // all has been counted
};

// Counts all below a directory until stopped() says true. Files with several names count once for each.
void scan(runtime::Loop& loop, Source& source, DirectoryRef root, Totals& totals, const std::function<bool()>& stopped);

}  // namespace ross::cli::copy
