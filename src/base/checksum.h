// CRC32C (Castagnoli), by ISA-L.
//
// crc32c(data) starts a checksum; crc32c(data, previous) goes on, so that the checksum of a whole equals the
// chain over its parts. The empty checksum is 0. Threading: any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ross {

[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t previous = 0);

}  // namespace ross
