// The running kernel's identity, and the processors that it gives this process. Threading: any thread.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"

namespace ross {

// A random name that the kernel gives itself at each start: two processes with the same one run under the same kernel. Empty
// where it is not told.
std::string machine_id();

// The processors that this process may use, by the kernel's numbers, ascending. Empty where it does not tell.
std::vector<int> usable_cores();
// The calling thread runs on this processor only, and so do threads that it starts. Errors: EINVAL for one that it may not use.
Status pin_to(int core);

}  // namespace ross
