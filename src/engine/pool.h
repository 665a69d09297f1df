// Pool: a directory on the host that names a set of devices and holds one metadata store; containers live in it.
//
//   PoolOptions options;
//   ROSS_OK(Pool::create("/srv/ross/pool0", {.devices = {{.kind = DeviceKind::kFile, .size_bytes = 64 * kGiB}}}));
//   ROSS_TRY(auto pool, Pool::open("/srv/ross/pool0", options));
//   ROSS_OK(pool->create_container("datasets", {}));
//   ROSS_TRY(auto fs, pool->open_container("datasets"));     // a fs::FileSystem
//   ...
//   fs.reset(); ROSS_STATUS(pool->close());                  // everything durable, errors told
//
// One process has a pool open at a time; a second opener gets EBUSY with the holder's name.
// Ownership: containers opened from a pool must be destroyed before it. Destruction closes, losing close's Status.
// Threading: any thread. Errors carry sentences for people.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random_bytes.h"
#include "base/status.h"
#include "disk/disk.h"
#include "fs/file_system.h"

namespace rocksdb {
class Env;
}

namespace ross::engine {

class Clients;

enum class DeviceKind : std::uint8_t { kFile, kBlock, kRam };

struct DeviceSpec {
  DeviceKind kind = DeviceKind::kFile;
  std::string path;              // empty: a file in the pool's directory (kFile) or in /dev/shm (kRam)
  std::uint64_t size_bytes = 0;  // 0: the whole of an existing file or block device
};

struct PoolSpec {
  std::vector<DeviceSpec> devices;
  bool prewrite = false;  // write every block once, so that the first writes are as fast as later ones
};

struct PoolOptions {
  // Metadata cached in memory; the rest is read from the store.
  std::uint64_t cache_bytes = 128ULL << 20;
  // What is not synced becomes durable by itself after this long. 0: only when asked (simulation).
  std::int64_t commit_interval_ns = 1'000'000'000;
  Clock* clock = &system_clock();
  // For a server: the pool knows clients, remembers their changes, and can keep changes beyond the end of the process (clients.h).
  // From its first opening so, the pool is of format version 2.
  bool serves_clients = false;
  // Where the keys come from under which containers hash their names.
  std::function<void(std::span<std::uint8_t>)> fill_random = ross::fill_random;
  // Simulation: what tells one run of the machine from the next. Empty: the machine's boot id.
  std::string boot_id;
  // Simulation: the store's world and the disks, in the order of the pool's devices. Null: the machine's. With env set there is
  // no superblock and no lock, and open() makes the store if the environment has none.
  rocksdb::Env* env = nullptr;
  std::function<Result<std::unique_ptr<disk::Disk>>(std::size_t device_index)> open_disk;
  std::size_t devices = 1;  // how many disks open_disk knows; with env set
};

struct ContainerOptions {
  std::uint64_t quota_bytes = 0;  // 0: none
  std::uint64_t quota_nodes = 0;  // 0: none
};

struct ContainerInfo {
  std::string name;
  ContainerOptions options;
  std::uint64_t used_bytes = 0;
  std::uint64_t used_nodes = 0;
  std::int64_t created_ns = 0;
};

struct DeviceInfo {
  DeviceKind kind = DeviceKind::kFile;
  std::string path;
  std::uint64_t size_bytes = 0;
  std::uint64_t free_bytes = 0;
};

struct PoolInfo {
  std::string uuid;
  std::uint32_t format_version = 0;
  std::vector<DeviceInfo> devices;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t containers = 0;
  std::string failed;  // why the pool takes no more changes; empty when it does
};

class Pool {
 public:
  static Status create(const std::filesystem::path& directory, const PoolSpec& spec);
  static Result<std::unique_ptr<Pool>> open(const std::filesystem::path& directory, const PoolOptions& options);
  // Removes a pool that nobody has open: its store and the device files that create made.
  static Status destroy(const std::filesystem::path& directory);

  virtual ~Pool() = default;
  virtual Status create_container(std::string_view name, const ContainerOptions& options) = 0;
  virtual Status set_container(std::string_view name, const ContainerOptions& options) = 0;
  virtual Status destroy_container(std::string_view name) = 0;
  virtual std::vector<ContainerInfo> containers() = 0;
  virtual Result<ContainerInfo> container(std::string_view name) = 0;
  virtual Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) = 0;
  virtual PoolInfo info() = 0;
  // Null unless the pool is open here and serves clients.
  virtual Clients* clients() { return nullptr; }
  // Blocks until everything done so far is durable.
  virtual Status sync() = 0;
  // sync(), then lets go of devices and store. Only container-free pools close.
  virtual Status close() = 0;
};

}  // namespace ross::engine
