// World: one simulated machine with a pool on it: its store's files, its devices, its clock, its power switch.
//
// A pool is made once for real (PoolImage); every world begins as a copy of it, so that thousands of worlds cost what they
// change. The store's files and the devices lose their power together: at once, or by themselves at the nth thing written.
//
//   ROSS_TRY(auto image, sim::PoolImage::make(1));
//   sim::World world(*image, seed);
//   ROSS_TRY(auto pool, world.open_pool());
//   world.cut_power_at(sim::World::Where::kDevices, 17);
//   ... run a workload until !world.powered() ...
//   pool.reset();
//   world.restore_power();
//
// Ownership: outlives every pool opened in it; borrows the image. Threading: any thread, save the clock's (the loop's).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/status.h"
#include "disk/sim/sim_disk.h"
#include "engine/fsck.h"
#include "engine/pool.h"
#include "runtime/loop.h"
#include "sim_env.h"

namespace ross::sim {

inline constexpr std::string_view kContainer = "data";
inline const fs::Credential kRoot;

// Removes everything below a directory, as uid 0.
fs::AsyncStatus remove_below(fs::FileSystem& fs, fs::NodeId directory);

// A fresh pool with one empty container, as bytes. Its directory exists as long as this does: the pool's superblock is
// read from there.
class PoolImage {
 public:
  // filler_bytes of it are taken by another container.
  static Result<std::unique_ptr<PoolImage>> make(std::size_t devices, std::uint64_t device_bytes,
                                                 std::uint64_t filler_bytes = 0);
  ~PoolImage();
  PoolImage(const PoolImage&) = delete;
  PoolImage& operator=(const PoolImage&) = delete;

  struct File {
    std::string path;
    std::string bytes;
  };
  struct Piece {
    std::uint64_t offset_bytes = 0;
    std::vector<std::byte> bytes;
  };
  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  [[nodiscard]] const std::vector<File>& files() const { return files_; }
  [[nodiscard]] const std::vector<std::vector<Piece>>& devices() const { return devices_; }
  [[nodiscard]] std::uint64_t device_bytes() const { return device_bytes_; }

 private:
  PoolImage() = default;
  std::filesystem::path directory_;
  std::uint64_t device_bytes_ = 0;
  std::vector<File> files_;
  std::vector<std::vector<Piece>> devices_;
};

class World {
 public:
  World(const PoolImage& image, std::uint64_t seed);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // What a pool in this world is opened with; the caller may change the rest.
  [[nodiscard]] engine::PoolOptions options();
  Result<std::unique_ptr<engine::Pool>> open_pool(const engine::PoolOptions& options);
  // From now on the store's background jobs run in the passes of the loop, and with them a run is the same in every process.
  // Before the first pool is opened.
  void run_store_jobs_in_loop();
  Result<engine::FsckReport> fsck(const engine::PoolOptions& options, const engine::FsckOptions& fsck_options);

  void cut_power();
  // Cuts by itself at the nth thing from now that the store, or the devices together, are asked to write or to make durable.
  enum class Where : std::uint8_t { kStore, kDevices };
  void cut_power_at(Where where, std::uint64_t nth);
  // The end of the process alone, also by itself at the nth thing written: files and devices keep what they have.
  void kill();
  void kill_at(Where where, std::uint64_t nth);
  // After either: the machine runs, anew after a power cut.
  void restore_power();
  // From now on each request to the devices takes up to so long.
  void slow_devices(std::int64_t delay_ns_max);
  // The nth flush of the devices from now answers EIO.
  void fail_flush(std::uint64_t nth) { flush_countdown_ = nth; }
  // Behind the back of the nth write to the devices from now, one bit of what it stored flips.
  void flip_write(std::uint64_t nth) { flip_countdown_ = nth; }
  [[nodiscard]] bool powered() const { return powered_.load(); }
  // Called at each end, right where it comes.
  void when_it_ends(std::function<void()> call) { when_it_ends_ = std::move(call); }

  [[nodiscard]] const std::filesystem::path& directory() const { return image_.directory(); }
  SimClock& clock() { return clock_; }
  runtime::Loop& loop() { return *loop_; }
  SimEnv& env() { return env_; }
  disk::SimDisk& disk(std::size_t index) { return *disks_[index]; }
  [[nodiscard]] std::size_t disks() const { return disks_.size(); }
  [[nodiscard]] std::uint64_t disk_writes() const { return writes_.load(); }
  [[nodiscard]] std::uint64_t disk_flushes() const { return flushes_.load(); }

 private:
  struct StoreJobs final : runtime::Poller {
    SimEnv* env = nullptr;  // null: not in the loop
    std::size_t poll() override { return env->run_jobs(); }
    std::int64_t arm() override { return 0; }  // time is simulated: nobody sleeps
  };
  class Plugged;  // a device as a pool has it: the world keeps the disk itself
  // True when one more brings the countdown to its end.
  static bool counts_down(std::atomic<std::uint64_t>& countdown);
  void cut_disks();
  void goes();
  void end_here();

  const PoolImage& image_;
  std::function<void()> when_it_ends_;
  disk::Request torn_;             // the write that the power went with
  std::int64_t delay_ns_max_ = 0;  // of the devices
  SimClock clock_;
  Random random_;  // what is random in a pool
  std::unique_ptr<runtime::Loop> loop_;
  SimEnv env_;
  StoreJobs store_jobs_;
  std::vector<std::unique_ptr<disk::SimDisk>> disks_;
  std::atomic<bool> powered_{true};
  std::atomic<std::uint64_t> writes_{0};
  std::atomic<std::uint64_t> flushes_{0};
  // 0: none
  std::atomic<std::uint64_t> cut_countdown_{0};  // of the devices' writes and flushes; the store's world counts its own
  bool kills_ = false;                           // what comes then is the end of the process alone
  std::atomic<std::uint64_t> boots_{1};
  std::atomic<std::uint64_t> flush_countdown_{0};
  std::atomic<std::uint64_t> flip_countdown_{0};
};

}  // namespace ross::sim
