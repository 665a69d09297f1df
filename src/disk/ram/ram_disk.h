// Memory as a disk. Either private to the process, or a file on a memory file system, mapped and shared, so that
// it outlives the process (not the machine's next boot).
//
//   auto disk = disk::make_ram(8 * kGiB);                              // private
//   ROSS_TRY(auto disk, disk::open_ram("/dev/shm/pool0/data0"));       // shared; the file's size is the disk's
//
// Transfers are copies and complete inside submit. flush() has nothing to do.
#pragma once

#include <memory>
#include <string>

#include "disk/disk.h"

namespace ross::disk {

Result<std::unique_ptr<Disk>> make_ram(std::uint64_t size_bytes);
Result<std::unique_ptr<Disk>> open_ram(const std::string& path);

}  // namespace ross::disk
