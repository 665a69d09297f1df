// A file or a block device, opened O_DIRECT where the file system allows it, driven by the loop's io_uring.
//
//   ROSS_TRY(auto disk, disk::open_uring("/srv/pool0/data0", {}));
//
// The disk is locked while it is open, so that two pools cannot share it. After a process was killed the kernel holds its
// lock until the transfers it left in flight are done; opening waits lock_wait_ms for that. Transfers that the kernel cuts short or
// interrupts are continued until they are whole; a loop without a ring makes one at its first transfer.
// discard() reaches block devices only: a file keeps the space it has, so that it cannot run out of it later. It
// blocks. A flush that failed once fails for good: what the kernel dropped then is not known, so no later flush vouches
// for it.
//
// Errors of opening: ENOENT, EACCES, EBUSY and EINVAL with a sentence that says what to do. Threading: see Disk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "disk/disk.h"

namespace ross::disk {

struct UringOptions {
  bool direct = true;  // falls back to buffered, with one warning, where O_DIRECT is refused
  std::int64_t lock_wait_ms = 2000;
};

Result<std::unique_ptr<Disk>> open_uring(const std::string& path, UringOptions options);

}  // namespace ross::disk
