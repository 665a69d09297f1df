// BlockAddress: where a block of 4 KiB lies: device in the top byte, block number below; and the addresses that are none.
#pragma once

#include <cstdint>

namespace ross::engine::format {

inline constexpr std::uint32_t kBlockBytes = 4096;
inline constexpr std::uint32_t kBlockShift = 12;
// The first blocks of every device hold its header and are never data; their addresses on device 0 stand for
// blocks that are nowhere.
inline constexpr std::uint64_t kDeviceHeaderBlocks = 16;

using BlockAddress = std::uint64_t;
inline constexpr BlockAddress kHole = 0;      // never written: zeros
inline constexpr BlockAddress kReserved = 1;  // preallocated: zeros, the space is held
inline constexpr BlockAddress kBad = 2;       // set apart by fsck: reading it is EIO

constexpr bool is_stored(BlockAddress address) { return address >= kDeviceHeaderBlocks; }
// Counts towards what a file occupies.
constexpr bool is_allocated(BlockAddress address) { return address != kHole; }
constexpr BlockAddress make_address(std::uint32_t device, std::uint64_t block) {
  return (static_cast<std::uint64_t>(device) << 56) | block;
}
constexpr std::uint32_t device_of(BlockAddress address) { return static_cast<std::uint32_t>(address >> 56); }
constexpr std::uint64_t block_of(BlockAddress address) { return address & ((std::uint64_t{1} << 56) - 1); }

// A file is mapped in segments of so many blocks, one record each.
inline constexpr std::uint32_t kSegmentBlocks = 64;
inline constexpr std::uint32_t kSegmentShift = 6;
// The largest file has so many.
inline constexpr std::uint32_t kSegmentsMax = std::uint32_t{1} << 26;
// The space map is kept in records of so many blocks.
inline constexpr std::uint32_t kSpaceChunkBlocks = 4096;
inline constexpr std::uint32_t kSpaceChunkBytes = kSpaceChunkBlocks / 8;

struct [[gnu::packed]] BlockRef {
  BlockAddress address = kHole;
  std::uint32_t crc = 0;
};
static_assert(sizeof(BlockRef) == 12, "millions of these are cached");

}  // namespace ross::engine::format
