// Bytes that tell where they belong: torn or misplaced ones show.
//
// Compiled with optimization however the suite is: it makes and compares hundreds of megabytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ross::fabric::conformance {

using Bytes = std::vector<std::byte>;

Bytes pattern(std::uint64_t seed, std::size_t size_bytes);
void fill_pattern(std::uint64_t seed, std::span<std::byte> into);
// -1 where from holds the pattern, else the first place where it does not.
std::ptrdiff_t differs_at(std::uint64_t seed, std::span<const std::byte> from);

}  // namespace ross::fabric::conformance
