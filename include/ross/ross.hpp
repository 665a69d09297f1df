// ross.hpp: the calls of ross.h as C++ objects that close themselves. Header only; link libross.so.
//
//   auto store = ross::Store::attach("local:/srv/ross/pool0/datasets");
//   if (!store) return complain(store.error().message);
//   auto file = store->open("train/part-0", O_RDONLY);
//   auto got = file->pread(std::span(memory), 0);
//
// Every call is the one of ross.h by the same name, where its contract is told; results are std::expected with an Error
// that holds the errno and the sentence for people. Nothing throws.
// Ownership: an object owns its handle and ends it in its destructor, where an error has nowhere to go: call close()
// or detach() to see it. A Store outlives its files, directories, buffers and queues; move the objects, do not copy.
// Threading: as ross.h. Requires C++23.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ross/ross.h"

namespace ross {

struct Error {
  int code = 0;         // a positive errno
  std::string message;  // what went wrong and what to do
};

template <class T>
using Expected = std::expected<T, Error>;

namespace api {

inline std::unexpected<Error> failed(std::int64_t result) {
  return std::unexpected(Error{static_cast<int>(-result), ross_last_error()});
}
inline Expected<void> nothing(int result) {
  if (result < 0) return failed(result);
  return {};
}
inline Expected<std::uint64_t> count(std::int64_t result) {
  if (result < 0) return failed(result);
  return static_cast<std::uint64_t>(result);
}

// Owns a C handle and ends it with End.
template <class Handle, int (*End)(Handle*)>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle* handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Owned() {
    if (handle_ != nullptr) End(handle_);
  }
  [[nodiscard]] Handle* get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

  // Ends the handle now; on EBUSY it is kept, as ross.h says.
  Expected<void> end() {
    if (handle_ == nullptr) return {};
    const int result = End(handle_);
    if (result != -EBUSY) handle_ = nullptr;
    return nothing(result);
  }

 private:
  Handle* handle_ = nullptr;
};

}  // namespace api

class File {
 public:
  File() = default;
  explicit File(ross_file* handle) : handle_(handle) {}

  Expected<std::uint64_t> pread(std::span<std::byte> into, std::uint64_t offset) {
    return api::count(ross_pread(get(), into.data(), into.size(), offset));
  }
  Expected<std::uint64_t> pwrite(std::span<const std::byte> from, std::uint64_t offset) {
    return api::count(ross_pwrite(get(), from.data(), from.size(), offset));
  }
  Expected<std::uint64_t> read(std::span<std::byte> into) {
    return api::count(ross_read(get(), into.data(), into.size()));
  }
  Expected<std::uint64_t> write(std::span<const std::byte> from) {
    return api::count(ross_write(get(), from.data(), from.size()));
  }
  Expected<std::uint64_t> append(std::span<const std::byte> from) {
    return api::count(ross_append(get(), from.data(), from.size()));
  }
  Expected<std::uint64_t> seek(std::int64_t offset, int whence) { return api::count(ross_seek(get(), offset, whence)); }
  Expected<ross_attr> stat() {
    ross_attr attr{};
    attr.size = sizeof attr;
    if (const int result = ross_fstat(get(), &attr); result < 0) return api::failed(result);
    return attr;
  }
  Expected<void> truncate(std::uint64_t size_bytes) { return api::nothing(ross_ftruncate(get(), size_bytes)); }
  Expected<void> fsync() { return api::nothing(ross_fsync(get())); }
  Expected<void> fdatasync() { return api::nothing(ross_fdatasync(get())); }
  Expected<void> close() { return handle_.end(); }
  [[nodiscard]] ross_file* get() const { return handle_.get(); }

 private:
  api::Owned<ross_file, ross_close> handle_;
};

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(ross_buffer* handle) : handle_(handle) {}
  [[nodiscard]] std::span<std::byte> span() const {
    return {static_cast<std::byte*>(ross_buffer_data(get())), ross_buffer_length(get())};
  }
  [[nodiscard]] ross_buffer* get() const { return handle_.get(); }

 private:
  api::Owned<ross_buffer, ross_buffer_free> handle_;
};

// Operations in flight. A typed view of ross_op: each builder gives one, submit takes any number.
class Queue {
 public:
  Queue() = default;
  explicit Queue(ross_queue* handle) : handle_(handle) {}

  static ross_op read(const File& file, std::span<std::byte> into, std::uint64_t offset, std::uint64_t user_data,
                      const Buffer* buffer = nullptr) {
    return transfer(ROSS_OP_READ, file, into.data(), into.size(), offset, user_data, buffer);
  }
  // What from names is only read.
  static ross_op write(const File& file, std::span<const std::byte> from, std::uint64_t offset, std::uint64_t user_data,
                       const Buffer* buffer = nullptr) {
    return transfer(ROSS_OP_WRITE, file, const_cast<std::byte*>(from.data()), from.size(), offset, user_data, buffer);
  }
  static ross_op fsync(const File& file, std::uint64_t user_data) {
    return transfer(ROSS_OP_FSYNC, file, nullptr, 0, 0, user_data, nullptr);
  }

  // How many of ops were accepted: the first ones. An error when none was.
  Expected<std::uint64_t> submit(std::span<const ross_op> ops) {
    return api::count(ross_queue_submit(get(), ops.data(), ops.size()));
  }
  // The completions taken, at the front of into.
  Expected<std::span<ross_completion>> poll(std::span<ross_completion> into, std::int64_t timeout_ns) {
    const std::int64_t taken = ross_queue_poll(get(), into.data(), into.size(), timeout_ns);
    if (taken < 0) return api::failed(taken);
    return into.first(static_cast<std::size_t>(taken));
  }
  [[nodiscard]] std::int64_t inflight() const { return ross_queue_inflight(get()); }
  [[nodiscard]] ross_queue* get() const { return handle_.get(); }

 private:
  static ross_op transfer(ross_op_code code, const File& file, void* data, std::size_t length, std::uint64_t offset,
                          std::uint64_t user_data, const Buffer* buffer) {
    ross_op op{};
    op.size = sizeof op;
    op.op = code;
    op.file = file.get();
    op.buffer = buffer == nullptr ? nullptr : buffer->get();
    op.data = data;
    op.length = length;
    op.offset = offset;
    op.user_data = user_data;
    return op;
  }

  api::Owned<ross_queue, ross_queue_destroy> handle_;
};

class Store {
 public:
  Store() = default;
  explicit Store(ross_store* handle) : handle_(handle) {}

  static Expected<Store> attach(const std::string& url, const ross_attach_options* options = nullptr) {
    ross_store* handle = nullptr;
    if (const int result = ross_attach(url.c_str(), options, &handle); result < 0) return api::failed(result);
    return Store(handle);
  }
  Expected<void> detach() { return handle_.end(); }
  Expected<void> sync() { return api::nothing(ross_sync(get())); }

  Expected<void> put(const std::string& key, std::span<const std::byte> data, std::uint32_t mode = 0644) {
    return api::nothing(ross_put(get(), key.c_str(), data.data(), data.size(), mode));
  }
  Expected<std::uint64_t> get_object(const std::string& key, std::span<std::byte> into, std::uint64_t offset = 0) {
    return api::count(ross_get(get(), key.c_str(), into.data(), into.size(), offset));
  }

  Expected<File> open(const std::string& path, int flags, std::uint32_t mode = 0644) {
    ross_file* file = nullptr;
    if (const int result = ross_open(get(), path.c_str(), flags, mode, &file); result < 0) return api::failed(result);
    return File(file);
  }
  Expected<File> create(const std::string& path, std::uint32_t mode = 0644) {
    ross_file* file = nullptr;
    if (const int result = ross_create(get(), path.c_str(), mode, &file); result < 0) return api::failed(result);
    return File(file);
  }
  Expected<Buffer> alloc(std::size_t length) {
    ross_buffer* buffer = nullptr;
    if (const int result = ross_buffer_alloc(get(), length, &buffer); result < 0) return api::failed(result);
    return Buffer(buffer);
  }
  Expected<Buffer> register_memory(std::span<std::byte> memory) {
    ross_buffer* buffer = nullptr;
    const int result = ross_buffer_register(get(), memory.data(), memory.size(), &buffer);
    if (result < 0) return api::failed(result);
    return Buffer(buffer);
  }
  Expected<Queue> queue(std::uint32_t depth) {
    ross_queue_options options{};
    options.size = sizeof options;
    options.depth = depth;
    ross_queue* queue = nullptr;
    if (const int result = ross_queue_create(get(), &options, &queue); result < 0) return api::failed(result);
    return Queue(queue);
  }

  Expected<ross_attr> stat(const std::string& path) {
    ross_attr attr{};
    attr.size = sizeof attr;
    if (const int result = ross_stat(get(), path.c_str(), &attr); result < 0) return api::failed(result);
    return attr;
  }
  Expected<void> mkdir(const std::string& path, std::uint32_t mode = 0755) {
    return api::nothing(ross_mkdir(get(), path.c_str(), mode));
  }
  Expected<void> rmdir(const std::string& path) { return api::nothing(ross_rmdir(get(), path.c_str())); }
  Expected<void> unlink(const std::string& path) { return api::nothing(ross_unlink(get(), path.c_str())); }
  Expected<void> rename(const std::string& from, const std::string& to, int flags = 0) {
    return api::nothing(ross_rename(get(), from.c_str(), to.c_str(), flags));
  }
  Expected<void> truncate(const std::string& path, std::uint64_t size_bytes) {
    return api::nothing(ross_truncate(get(), path.c_str(), size_bytes));
  }
  // Every entry of a directory; for very large ones use ross_opendir and ross_readdir.
  Expected<std::vector<ross_dirent>> list(const std::string& path) {
    ross_dir* dir = nullptr;
    if (const int result = ross_opendir(get(), path.c_str(), &dir); result < 0) return api::failed(result);
    const api::Owned<ross_dir, ross_closedir> owned(dir);
    std::vector<ross_dirent> entries;
    for (;;) {
      ross_dirent entry{};
      entry.size = sizeof entry;
      const int result = ross_readdir(dir, &entry);
      if (result < 0) return api::failed(result);
      if (result == 0) return entries;
      entries.push_back(entry);
    }
  }
  [[nodiscard]] ross_store* get() const { return handle_.get(); }

 private:
  api::Owned<ross_store, ross_detach> handle_;
};

}  // namespace ross
