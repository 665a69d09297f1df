// The files of a pool: superblock, lock, devices. Everything about a pool's directory that is not metadata or data.
//
// Ownership: PoolLock holds the pool until destroyed. Threading: any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "disk/disk.h"
#include "engine/format/superblock.h"
#include "engine/pool.h"

namespace ross::engine {

// One process at a time. EBUSY names the holder.
class PoolLock {
 public:
  static Result<std::unique_ptr<PoolLock>> take(const std::filesystem::path& directory);
  ~PoolLock();
  PoolLock(const PoolLock&) = delete;
  PoolLock& operator=(const PoolLock&) = delete;

 private:
  explicit PoolLock(int fd) : fd_(fd) {}
  const int fd_;
};

// ENOENT, EINVAL (foreign), ENOTSUP (newer), EIO (truncated, damaged), EACCES; each with what to do.
Result<format::Superblock> read_superblock(const std::filesystem::path& directory);
// Written whole and durable, or not there.
Status write_superblock(const std::filesystem::path& directory, const format::Superblock& superblock);

// Where a device of the pool is.
std::filesystem::path device_path(const std::filesystem::path& directory, const format::SuperblockDevice& device);
// Makes or checks the devices a spec asks for, and writes their headers. On failure removes what it made.
Result<std::vector<format::SuperblockDevice>> make_devices(const std::filesystem::path& directory, const PoolSpec& spec,
                                                           const format::Uuid& uuid);
// Opens a device and checks that it is the one the superblock means.
Result<std::unique_ptr<disk::Disk>> open_device(const std::filesystem::path& directory,
                                                const format::Superblock& superblock, std::size_t index);
// Removes a device that create made; wipes the header of one that was there before. What is not (any more) a device of the
// pool `uuid` is left alone.
Status release_device(const std::filesystem::path& directory, const format::SuperblockDevice& device,
                      const format::Uuid& uuid);
std::filesystem::path meta_path(const std::filesystem::path& directory);

}  // namespace ross::engine
