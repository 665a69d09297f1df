// The running kernel's identity. Threading: any thread.
#pragma once

#include <string>

namespace ross {

// A random name that the kernel gives itself at each start: two processes with the same one run under the same kernel. Empty
// where it is not told.
std::string machine_id();

}  // namespace ross
