// Errands: what a client does whose every answer can be checked: done once and in order, each call succeeds, and in the end
// exactly what was done is there. A change that is lost or done twice makes a later one fail, or stands in the outcome.
//
// Threading: any thread that drives a loop.
#pragma once

#include "fs/file_system.h"

namespace ross::remote_test {

// In the root directory, under names of this worker's own: exclusive creates, large writes, appends, locks, renames, unlinks.
// A status that names the first call whose answer was wrong.
runtime::Task<Status> errands(fs::FileSystem& file_system, int worker, int rounds);

// Whether the root holds what `workers` of them, 0 to workers - 1, leave behind, and nothing else.
runtime::Task<Status> errands_are_done(fs::FileSystem& file_system, int workers, int rounds);

}  // namespace ross::remote_test
