// The two blocks that make a directory a pool and a file a device of it: the superblock file and the device header.
//
// Both carry a magic number, the format version, the pool's identity and a checksum, so that a missing, foreign, newer, truncated
// or damaged one is told apart and said plainly. Threading: immutable values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "engine/format/records.h"
#include "engine/pool.h"

namespace ross::engine::format {

inline constexpr std::string_view kSuperblockFile = "ross-pool";
inline constexpr std::size_t kSuperblockBytes = 16384;
inline constexpr std::size_t kDevicesMax = 32;
inline constexpr std::size_t kDevicePathBytesMax = 400;

struct SuperblockDevice {
  DeviceKind kind = DeviceKind::kFile;
  bool owned = false;  // made by create, removed by destroy
  std::uint64_t size_bytes = 0;
  std::string path;  // relative paths are relative to the pool's directory
};

struct Superblock {
  Uuid uuid{};
  std::int64_t created_ns = 0;
  std::vector<SuperblockDevice> devices;
};

struct DeviceHeader {
  Uuid uuid{};
  std::uint32_t index = 0;
  std::uint64_t size_bytes = 0;
};

std::string encode(const Superblock& superblock);  // kSuperblockBytes
std::string encode(const DeviceHeader& header);    // kBlockBytes
Result<Superblock> decode_superblock(std::string_view bytes);
Result<DeviceHeader> decode_device_header(std::string_view bytes);

}  // namespace ross::engine::format
