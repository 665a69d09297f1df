// A disk that lies, from a seed.
//
// What it may do: complete in any order after a delay; at a power cut keep, drop or tear (at kSectorBytes) each write
// that no flush covered; flip bits of stored data; answer EIO or ENOSPC; fail a flush. What it never does: complete a
// request twice or not at all, lose what a flush covered, or mix up offsets by itself.
//
//   disk::SimDisk disk(options, random_seed);
//   ... run a workload ...
//   disk.cut_power();                        // unflushed writes survive by the dice, all else fails with EIO
//   ... run the loops until everybody has seen the failure ...
//   disk.restore_power();
//
// A write that fails may have stored any of its sectors. A discard loses its data at once and for good. Unflushed
// writes beyond kUnflushedBytesMax reach the medium by themselves, oldest first. Memory is used only where something
// was written. The same seed and the same sequence of calls give the same disk.
//
// mapped() is null: the engine takes the same path as on a device.
// Threading: any thread, each on its own loop; one thread if the run is to be replayed.
#pragma once

#include <cstdint>
#include <memory>

#include "disk/disk.h"

namespace ross::disk {

struct SimOptions {
  std::uint64_t size_bytes = 64 * 1024 * 1024;
  std::int64_t delay_ns_max = 0;              // 0 completes inside submit; else on the loop's clock
  std::uint32_t read_error_per_million = 0;   // EIO
  std::uint32_t write_error_per_million = 0;  // EIO
  std::uint32_t flush_error_per_million = 0;  // EIO
  std::uint32_t bit_flip_per_million = 0;     // per write: one bit of what is stored differs
};

class SimDisk final : public Disk {
 public:
  static constexpr std::size_t kSectorBytes = 512;
  static constexpr std::size_t kUnflushedBytesMax = 16 * 1024 * 1024;  // a drive's cache
  SimDisk(SimOptions options, std::uint64_t seed);
  ~SimDisk() override;

  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }
  [[nodiscard]] std::size_t alignment_bytes() const override { return kSectorBytes; }
  void submit(runtime::Loop& loop, Request& request) override;
  Status flush() override;
  void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) override;

  // Every unflushed write is kept, dropped or torn; requests in flight complete with EIO when their delay ends;
  // everything until restore_power() fails with EIO.
  void cut_power();
  void restore_power();
  // For requests from now on. The size stays what it was.
  void set_options(const SimOptions& options);
  // Fails the nth submitted request from now (1 is the next) with error (a positive errno).
  void fail_request(std::uint64_t nth, int error);
  // Flips one stored bit (0 to 7 of the byte at offset_bytes).
  void flip_bit(std::uint64_t offset_bytes, unsigned bit);
  // Submitted so far, whatever became of them.
  [[nodiscard]] std::uint64_t requests() const;

 private:
  struct State;
  const std::uint64_t size_bytes_;
  std::shared_ptr<State> state_;  // shared with the timers of delayed requests, which may run after the disk is gone
};

}  // namespace ross::disk
