// What a kind of FileSystem says about itself to be put through the suite.
//
// A program that runs the suite links ross_fs_conformance whole and defines backends(). Each test gets a fresh file
// system: empty, its root owned by uid 0.
//
// Ownership: an Instance owns its file system. Threading: owner thread; the file system itself any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "fs/file_system.h"
#include "runtime/loop.h"

namespace ross::conformance {

// The machine's clock, whose time of day tests move to and fro.
class ShiftClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t realtime_ns() const override { return system_clock().realtime_ns() + shift_ns_; }
  [[nodiscard]] std::int64_t monotonic_ns() const override { return system_clock().monotonic_ns(); }
  bool jump_to(std::int64_t /*monotonic_ns*/) override { return false; }
  void shift(std::int64_t by_ns) { shift_ns_ += by_ns; }

 private:
  std::atomic<std::int64_t> shift_ns_{0};
};

struct Capabilities {
  bool takes_clock = true;    // file times come from the clock handed in
  bool reports_holes = true;  // seek finds holes of a megabyte
  bool reserves = true;       // fallocate counts in allocated_bytes
  bool restarts = true;
  bool limits = true;   // InstanceOptions::limit_bytes is kept
  bool threads = true;  // calls are made from several at once
};

struct InstanceOptions {
  Clock* clock = &system_clock();
  std::uint64_t limit_bytes = 0;  // ENOSPC or EDQUOT beyond; 0: whatever there is
};

class Instance {
 public:
  virtual ~Instance() = default;
  virtual fs::FileSystem& file_system() = 0;
  // The only loop that calls may be made on, the instance's own; null: any.
  virtual runtime::Loop* loop() { return nullptr; }
  // Syncs, lets go of everything and opens it again. Open files and nodes held are gone; names and bytes are not.
  virtual Status restart() = 0;
};

struct Backend {
  std::string name;
  Capabilities capabilities;
  std::function<Result<std::unique_ptr<Instance>>(const InstanceOptions&)> make;
};

// Defined by the program.
const std::vector<Backend>& backends();

}  // namespace ross::conformance
