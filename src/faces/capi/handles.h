// The handles behind ross.h, and what every C call does around its work.
//
// A C call checks its pointers, runs one coroutine on the calling thread's loop, turns its Status into a negative errno
// and leaves the sentence for ross_last_error(). Nothing here knows where the file system comes from: ross_attach
// brings one by URL (attach.cc), the tests bring their own.
// Threading: stores and files any thread; the rest one thread at a time, as ross.h says.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "attach/attach.h"
#include "base/status.h"
#include "fs/file_system.h"
#include "ross/ross.h"
#include "runtime/loop.h"

struct ross_store {
  std::unique_ptr<ross::attach::Attachment> attachment;
  ross::fs::Credential cred;
  std::atomic<std::uint32_t> open_handles{0};  // files, directories, buffers and queues

  [[nodiscard]] ross::fs::FileSystem& fs() const { return attachment->file_system(); }
};

struct ross_file {
  ross_store* store = nullptr;
  ross::fs::FileId id;
  ross::fs::NodeId node;
  bool append = false;
  std::uint64_t position = 0;              // one thread at a time
  std::atomic<std::uint32_t> inflight{0};  // queued operations
};

struct ross_dir {
  ross_store* store = nullptr;
  ross::fs::NodeId node;
  std::uint64_t cursor = 0;
  std::vector<ross::fs::DirEntry> entries;  // fetched and not yet given
  std::size_t next = 0;
  bool at_end = false;
};

struct ross_buffer {
  ross_store* store = nullptr;
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;
  bool owned = false;
  std::atomic<std::uint32_t> inflight{0};  // queued operations
};

namespace ross::capi {

// The credentials of this process: what a library inside it acts with.
fs::Credential process_credential();

// Wraps an attachment as ross_attach does; the tests use it to bring a file system without a URL.
ross_store* make_store(std::unique_ptr<attach::Attachment> attachment);

// Keeps the sentence for ross_last_error and returns -errno.
int tell(const Status& status);
int tell(int error, std::string_view message);
inline constexpr const char* kNullArgument = "a handle, path or pointer is null";

// The loop that blocking calls of this thread run on; made at first use, and made anew in a forked child, where the
// parent's ring must not be touched.
Result<runtime::Loop*> thread_loop();
// Grows by one in a child of fork().
std::uint64_t fork_generation();

// Runs a task of this thread to its end.
template <class T>
Result<T> run(fs::Async<T> task) {
  ROSS_TRY(runtime::Loop* const loop, thread_loop());
  return loop->block_on(std::move(task));
}
inline Status run(fs::AsyncStatus task) {
  Result<runtime::Loop*> loop = thread_loop();
  if (!loop.has_value()) return loop.error();
  return (*loop)->block_on(std::move(task));
}

// Every C call's body runs in here: no exception gets out, and a Result becomes a C result.
template <class Body>
auto guarded(Body&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return tell(ENOMEM, "out of memory");
  }
}

inline int done(const Status& status) { return status.ok() ? 0 : tell(status); }
template <class T>
std::int64_t counted(const Result<T>& result) {
  return result.has_value() ? static_cast<std::int64_t>(*result) : tell(result.error());
}

// A caller's options of any age: what it does not know stays zero, what we do not know must be zero.
template <class T>
Status take_options(const T* given, T& options) {
  if (given == nullptr) return {};
  constexpr std::size_t kSizeMax = 4096;
  if (given->size < sizeof given->size || given->size > kSizeMax) {
    return Status(EINVAL, "the options' size is not set: write .size = sizeof(struct ...)");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(T); i < given->size; ++i) {
    if (bytes[i] != 0) return Status(E2BIG, "the options ask for something this library is too old for");
  }
  std::memcpy(&options, given, std::min(given->size, sizeof(T)));
  options.size = sizeof(T);
  return {};
}

// Fills a caller's struct of any age.
template <class T>
Status give_struct(T from, T* to) {
  constexpr std::size_t kSizeMax = 4096;
  const std::size_t size = to->size;
  if (size < sizeof size || size > kSizeMax) {
    return Status(EINVAL, "the struct's size is not set: write .size = sizeof(struct ...)");
  }
  from.size = size;
  std::memset(to, 0, size);
  std::memcpy(to, &from, std::min(size, sizeof(T)));
  return {};
}

}  // namespace ross::capi
