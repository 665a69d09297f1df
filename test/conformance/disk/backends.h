// The disk backends as the suite sees them: how to make a fresh one, and how to open it again.
//
// Threading: owner thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "disk/disk.h"

namespace ross::disk::conformance {

// A path that is removed with its object. What cannot be made leaves path empty and reason set.
struct TempFile {
  TempFile(const std::string& directory, std::uint64_t size_bytes);
  ~TempFile();
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  std::string path;
  std::string reason;
};

// Where files of a disk file system and of a memory file system go.
std::string disk_directory();
inline constexpr const char* kMemoryDirectory = "/dev/shm";

struct Instance {
  std::unique_ptr<TempFile> file;
  std::unique_ptr<SimClock> clock;  // set: the loop must run on it
  std::unique_ptr<Disk> disk;
  std::function<Result<std::unique_ptr<Disk>>()> reopen;  // unset: nothing persists
  std::function<void()> cleanup;
  std::string skip;  // why this machine cannot run the backend
  Instance() = default;
  Instance(Instance&&) = default;
  Instance& operator=(Instance&&) = delete;
  ~Instance();
};

struct Backend {
  const char* name;
  Instance (*make)(std::uint64_t size_bytes);
};

std::vector<Backend> backends();

}  // namespace ross::disk::conformance
