// A disk that lies, from a seed.
//
// What it may do: complete in any order after a delay; at a power cut keep, drop or tear (at kSectorBytes) each write that
// no flush covered; flip bits of stored data; answer EIO or ENOSPC; fail a flush. What it never does: complete a
// request twice or not at all (unless cut), lose what a flush covered, or mix up offsets by itself.
//
//   disk::SimDisk disk(options, random_seed);
//   ... run a workload ...
//   disk.cut_power();                        // pending requests never complete; unflushed writes survive by the dice
//   disk.restore_power();
//
// mapped() is null: the engine takes the same path as on a device. Threading: owner thread, save that flush() may
// come from another.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "disk/disk.h"

namespace ross::disk {

struct SimOptions {
  std::uint64_t size_bytes = 64 * 1024 * 1024;
  std::int64_t delay_ns_max = 0;              // 0 completes inside submit
  std::uint32_t read_error_per_million = 0;   // EIO
  std::uint32_t write_error_per_million = 0;  // EIO
  std::uint32_t flush_error_per_million = 0;  // EIO
  std::uint32_t bit_flip_per_million = 0;     // per write: one bit of what is stored differs
};

class SimDisk final : public Disk {
 public:
  static constexpr std::size_t kSectorBytes = 512;
  SimDisk(SimOptions options, std::uint64_t seed);
  ~SimDisk() override;

  [[nodiscard]] std::uint64_t size_bytes() const override { return options_.size_bytes; }
  [[nodiscard]] std::size_t alignment_bytes() const override { return kSectorBytes; }
  void submit(runtime::Loop& loop, Request& request) override;
  Status flush() override;
  void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) override;

  // Every unflushed write is kept, dropped or torn; requests in flight complete with EIO at once or later;
  // everything until restore_power() fails with EIO.
  void cut_power();
  void restore_power();
  void set_options(const SimOptions& options);
  // Fails the nth submitted request from now (1 is the next) with error (a positive errno).
  void fail_request(std::uint64_t nth, int error);
  // Flips one stored bit.
  void flip_bit(std::uint64_t offset_bytes, unsigned bit);
  [[nodiscard]] std::uint64_t requests() const;

 private:
  struct Unflushed;
  struct State;
  SimOptions options_;
  std::unique_ptr<State> state_;
};

}  // namespace ross::disk
