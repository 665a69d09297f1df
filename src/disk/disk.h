// Disk: a block device as the engine sees it: reads and writes that complete on a loop, and a flush.
//
// Backends: uring/ (a file or a block device, O_DIRECT, io_uring), ram/ (shared memory), sim/ (seeded: loses what was
// not flushed, tears, flips bits, fails, delays). One conformance suite runs on all (test/conformance/disk).
//
//   disk::Request request;
//   disk::Batch batch;
//   batch.submit(*disk, request.read(offset, buffer));
//   int error = co_await batch;                      // 0 or a negative errno
//
// Submit contract: every submitted request completes exactly once, on the loop it was submitted on, with the
// number of bytes moved (always all of them) or a negative errno: never a short transfer. Backends whose
// memory is directly addressable complete before submit returns.
// Buffer contract: the caller's before submit and after completion, the disk's between.
// Limits: offset and size are multiples of kBlockBytes, the buffer's address is a multiple of alignment_bytes(), and
// the range lies inside the disk, kTransferBytesMax at most; anything else completes with EINVAL and moves nothing. A
// size of zero completes with 0. Durability: flush() makes durable every write that completed before it was called;
// nothing else is promised. Ownership: whoever opened it. Threading: any thread, each on its own loop; flush() blocks
// and stays off hot loops.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/status.h"
#include "runtime/loop.h"

namespace ross::disk {

inline constexpr std::size_t kBlockBytes = 4096;
inline constexpr std::size_t kTransferBytesMax = std::size_t{1} << 30;  // a completion tells its bytes in an int

struct Request : runtime::Completion {
  enum class Kind : std::uint8_t { kRead, kWrite };
  Kind kind = Kind::kRead;
  std::uint64_t offset_bytes = 0;
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;
  class Batch* batch = nullptr;
  // The backend's between submit and completion.
  void* backend = nullptr;
  void (*caller_done)(Completion& self, int result) = nullptr;  // done, while done is the backend's own
  std::size_t moved_bytes = 0;                                  // progress of a transfer that the kernel cut short
  unsigned tries = 0;                                           // attempts since bytes moved last

  Request& read(std::uint64_t at, std::span<std::byte> into) {
    kind = Kind::kRead, offset_bytes = at, data = into.data(), size_bytes = into.size();
    return *this;
  }
  Request& write(std::uint64_t at, std::span<const std::byte> from) {
    kind = Kind::kWrite, offset_bytes = at, data = const_cast<std::byte*>(from.data()), size_bytes = from.size();
    return *this;
  }
};

class Disk {
 public:
  virtual ~Disk() = default;
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
  // What a buffer's address must be a multiple of: 1 for memory, at most kBlockBytes.
  [[nodiscard]] virtual std::size_t alignment_bytes() const = 0;
  // The device's bytes when the processor can address them (RAM), else null. Stays valid for the disk's life.
  [[nodiscard]] virtual std::byte* mapped() const { return nullptr; }
  // Runs request.done(request, bytes or -errno) exactly once; see the submit contract.
  virtual void submit(runtime::Loop& loop, Request& request) = 0;
  // Blocks until every write completed so far is durable.
  virtual Status flush() = 0;
  // Tells the device that a range no longer matters. Best effort.
  virtual void discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) = 0;

 protected:
  // False if the request breaks the limits above. Every backend asks before it does anything.
  [[nodiscard]] bool allowed(const Request& request) const;
};

// Several transfers at once, awaited together:
//
//   disk::Batch batch;
//   batch.submit(disk, request_a.read(...)); batch.submit(disk, request_b.read(...));
//   int error = co_await batch;                 // 0, or the first negative errno, when all are done
//
// The requests and the batch live until the await returns. Awaiting with nothing pending does not suspend.
// Threading: owner thread (the current loop's).
class Batch {
 public:
  void submit(Disk& disk, Request& request) {
    request.batch = this;
    request.done = &Batch::completed;
    ++pending_;
    disk.submit(*runtime::Loop::current(), request);
  }
  [[nodiscard]] bool await_ready() const noexcept { return pending_ == 0; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiting_ = handle; }
  int await_resume() noexcept { return std::exchange(error_, 0); }

 private:
  static void completed(runtime::Completion& completion, int result);
  std::uint32_t pending_ = 0;
  int error_ = 0;
  std::coroutine_handle<> waiting_;
};

}  // namespace ross::disk
