#include "fabric/shm/shared_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fabric/shm/layout.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace ross::fabric::shm {

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, mapped_bytes_);
}

Result<SharedMemory> SharedMemory::create(std::size_t size_bytes, Shape shape) {
  SharedMemory made;
  made.descriptor_ = Descriptor(::memfd_create("ross-shm", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!made.descriptor_) return fail(errno, "cannot make shared memory: raise the open file limit (ulimit -n)");
  if (::ftruncate(made.fd(), static_cast<off_t>(size_bytes)) != 0) return fail(errno);
  if (::fcntl(made.fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return fail(errno);
  made.size_bytes_ = size_bytes;
  ROSS_OK(made.map(shape, true));
  return made;
}

Result<SharedMemory> SharedMemory::adopt(Descriptor descriptor, Expected expected) {
  SharedMemory made;
  made.descriptor_ = std::move(descriptor);
  // Only files in memory have seals; those of huge pages can fail on access, so they are told apart.
  const int seals = ::fcntl(made.fd(), F_GET_SEALS);
  struct statfs system {};
  struct stat file {};
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || ::fstatfs(made.fd(), &system) != 0 || system.f_type != TMPFS_MAGIC ||
      ::fstat(made.fd(), &file) != 0 || file.st_size <= 0) {
    return fail(EPROTO, "the peer passed a descriptor that is not sealed shared memory");
  }
  made.size_bytes_ = static_cast<std::size_t>(file.st_size);
  if (expected.size_bytes != 0 && made.size_bytes_ != expected.size_bytes) {
    return fail(EPROTO, "the peer passed shared memory of another size than it said");
  }
  ROSS_OK(made.map(expected.shape, expected.writable));
  made.close_descriptor();
  return made;
}

Status SharedMemory::map(Shape shape, bool writable) {
  const bool twice = shape == Shape::kRing;
  const std::size_t ring_bytes = size_bytes_ - kInboxHeaderBytes;
  mapped_bytes_ = size_bytes_ + (twice ? ring_bytes : 0);
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  // The whole room first, so that the second view lies right behind the first.
  void* const room = ::mmap(nullptr, mapped_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return Status(errno, "cannot map shared memory");
  data_ = static_cast<std::byte*>(room);
  if (::mmap(data_, size_bytes_, protection, MAP_SHARED | MAP_FIXED, fd(), 0) == MAP_FAILED) {
    return Status(errno, "cannot map shared memory");
  }
  if (twice && ::mmap(data_ + size_bytes_, ring_bytes, protection, MAP_SHARED | MAP_FIXED, fd(),
                      static_cast<off_t>(kInboxHeaderBytes)) == MAP_FAILED) {
    return Status(errno, "cannot map shared memory");
  }
  if (::madvise(data_, mapped_bytes_, MADV_DONTFORK) != 0) return Status(errno);
  return {};
}

Status SharedMemory::forbid_writing() {
  if (::fcntl(fd(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) != 0) {
    return Status(errno, "cannot seal shared memory against writing: this needs Linux 5.1");
  }
  return {};
}

void SharedMemory::discard() {
  ::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size_bytes_));
}

}  // namespace ross::fabric::shm
