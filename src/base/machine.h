// The running kernel's identity, its pages, and the processors that it gives this process. Threading: any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/status.h"

namespace ross {

// A random name that the kernel gives itself at each start: two processes with the same one run under the same kernel. Empty
// where it is not told.
std::string machine_id();

// In how many bytes the kernel maps memory: 4 KiB, on arm64 up to 64. What it does to a part of a page it refuses, or does to all
// of that page.
std::size_t page_bytes();

// The processors that this process may use, by the kernel's numbers, ascending. Empty where it does not tell.
std::vector<int> usable_cores();
// The calling thread runs on this processor only, and so do threads that it starts. Errors: EINVAL for one that it may not use.
Status pin_to(int core);

}  // namespace ross
