// A small text file as a whole: a configuration, a certificate, a table of the kernel's. Threading: any thread.
#pragma once

#include <string>

#include "base/status.h"

namespace ross {

inline constexpr std::size_t kReadFileBytesMax = 16 << 20;

// Errors: those of opening and reading, with "PATH: " in front; EFBIG for more than kReadFileBytesMax.
Result<std::string> read_file(const std::string& path);

}  // namespace ross
