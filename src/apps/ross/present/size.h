// Sizes and counts as people write and read them: 64G, 1.5TiB, 4k; 1.5 GiB.
//
// Units are binary, with or without the B of bytes: 1K = 1KiB = 1024. KB, MB ... are decimal. Case does not matter.
// Threading: any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::cli {

// EINVAL with the form expected; ERANGE past 64 bits. Fractions are rounded down to whole bytes.
Result<std::uint64_t> parse_size(std::string_view text);
// "0 B", "999 B", "1.50 KiB", "15.0 GiB", "150 TiB": three significant digits.
std::string format_size(std::uint64_t bytes);
// "1,234,567"
std::string format_count(std::uint64_t count);

}  // namespace ross::cli
