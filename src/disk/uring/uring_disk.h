// A file or a block device, opened O_DIRECT where the file system allows it, driven by the loop's io_uring.
//
//   ROSS_TRY(auto disk, disk::open_uring("/srv/pool0/data0", {}));
//
// Errors: ENOENT, EACCES, EBUSY and EINVAL with a sentence that says what to do.
#pragma once

#include <memory>
#include <string>

#include "disk/disk.h"

namespace ross::disk {

struct UringOptions {
  bool direct = true;  // falls back to buffered, with one warning, where O_DIRECT is refused
};

Result<std::unique_ptr<Disk>> open_uring(const std::string& path, UringOptions options);

}  // namespace ross::disk
