// fill_random: bytes that nobody can guess, from the kernel. Threading: any thread.
#pragma once

#include <cstdint>
#include <span>

namespace ross {

void fill_random(std::span<std::uint8_t> bytes);

}  // namespace ross
