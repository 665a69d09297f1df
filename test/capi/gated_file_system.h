// GatedFileSystem: holds reads, writes and syncs back until the test opens the gate, and passes the rest through.
//
// So a test has operations truly in flight, for as long as it likes, over a file system that answers at once.
// Ownership: borrows the file system below. Threading: as the one below; open() and close_gate() from any thread.
#pragma once

#include <mutex>

#include "fs/file_system.h"
#include "runtime/sync.h"

namespace ross::capi_test {

class GatedFileSystem : public fs::FileSystem {
 public:
  explicit GatedFileSystem(fs::FileSystem& below) : below_(below) {}

  void close_gate() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  void open_gate() {
    const std::lock_guard lock(mutex_);
    closed_ = false;
    waiting_.notify_all();
  }

  // Calls that it holds back now.
  [[nodiscard]] std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return held_back_;
  }

  fs::Async<std::uint64_t> read(fs::FileId file, std::uint64_t offset, memory::Memory into) override {
    static_cast<void>(co_await pass());
    co_return co_await below_.read(file, offset, into);
  }
  fs::Async<std::uint64_t> write(fs::FileId file, std::uint64_t offset, memory::Memory from) override {
    static_cast<void>(co_await pass());
    co_return co_await below_.write(file, offset, from);
  }
  fs::AsyncStatus fsync(fs::FileId file, bool data_only) override {
    static_cast<void>(co_await pass());
    co_return co_await below_.fsync(file, data_only);
  }

  using Cred = fs::Credential;
  using Name = std::string_view;
  fs::Async<fs::Attr> lookup(const Cred& c, fs::NodeId p, Name n) override { return below_.lookup(c, p, n); }
  fs::Async<fs::NodeId> parent(fs::NodeId n) override { return below_.parent(n); }
  fs::Async<fs::Attr> mkdir(const Cred& c, fs::NodeId p, Name n, std::uint32_t m) override {
    return below_.mkdir(c, p, n, m);
  }
  fs::Async<fs::Attr> mknod(const Cred& c, fs::NodeId p, Name n, std::uint32_t m, std::uint64_t r) override {
    return below_.mknod(c, p, n, m, r);
  }
  fs::Async<fs::Attr> symlink(const Cred& c, fs::NodeId p, Name n, Name t) override {
    return below_.symlink(c, p, n, t);
  }
  fs::Async<std::string> readlink(fs::NodeId n) override { return below_.readlink(n); }
  fs::Async<fs::Attr> link(const Cred& c, fs::NodeId f, fs::NodeId p, Name n) override {
    return below_.link(c, f, p, n);
  }
  fs::AsyncStatus unlink(const Cred& c, fs::NodeId p, Name n) override { return below_.unlink(c, p, n); }
  fs::AsyncStatus rmdir(const Cred& c, fs::NodeId p, Name n) override { return below_.rmdir(c, p, n); }
  fs::AsyncStatus rename(const Cred& c, fs::NodeId p, Name n, fs::NodeId q, Name m, fs::RenameFlags f) override {
    return below_.rename(c, p, n, q, m, f);
  }
  fs::Async<std::vector<fs::DirEntry>> readdir(const Cred& c, fs::NodeId d, const fs::ReaddirOptions& o) override {
    return below_.readdir(c, d, o);
  }
  fs::Async<fs::Attr> getattr(fs::NodeId n) override { return below_.getattr(n); }
  fs::Async<fs::Attr> setattr(const Cred& c, fs::NodeId n, const fs::SetAttr& s, std::optional<fs::FileId> f) override {
    return below_.setattr(c, n, s, f);
  }
  fs::AsyncStatus access(const Cred& c, fs::NodeId n, int m) override { return below_.access(c, n, m); }
  fs::Async<std::string> getxattr(const Cred& c, fs::NodeId n, Name x) override { return below_.getxattr(c, n, x); }
  fs::AsyncStatus setxattr(const Cred& c, fs::NodeId n, Name x, Name v, fs::XattrFlags f) override {
    return below_.setxattr(c, n, x, v, f);
  }
  fs::Async<std::vector<std::string>> listxattr(const Cred& c, fs::NodeId n) override { return below_.listxattr(c, n); }
  fs::AsyncStatus removexattr(const Cred& c, fs::NodeId n, Name x) override { return below_.removexattr(c, n, x); }
  fs::Async<fs::Opened> open(const Cred& c, fs::NodeId n, fs::OpenFlags f) override { return below_.open(c, n, f); }
  fs::Async<fs::Opened> create(const Cred& c, fs::NodeId p, Name n, std::uint32_t m, fs::OpenFlags f) override {
    return below_.create(c, p, n, m, f);
  }
  fs::Async<fs::Opened> create_unnamed(const Cred& c, fs::NodeId p, std::uint32_t m) override {
    return below_.create_unnamed(c, p, m);
  }
  fs::AsyncStatus publish(const Cred& c, fs::FileId f, fs::NodeId p, Name n) override {
    return below_.publish(c, f, p, n);
  }
  fs::AsyncStatus close(fs::FileId f) override { return below_.close(f); }
  fs::AsyncStatus fallocate(fs::FileId f, fs::Fallocate k, std::uint64_t o, std::uint64_t s) override {
    return below_.fallocate(f, k, o, s);
  }
  fs::Async<std::uint64_t> seek(fs::FileId f, fs::SeekKind k, std::uint64_t o) override { return below_.seek(f, k, o); }
  fs::AsyncStatus sync() override { return below_.sync(); }
  fs::AsyncStatus lock(fs::FileId f, const fs::LockRange& r, bool w) override { return below_.lock(f, r, w); }
  fs::Async<fs::LockRange> test_lock(fs::FileId f, const fs::LockRange& r) override { return below_.test_lock(f, r); }
  fs::AsyncStatus unlock_owner(fs::FileId f, std::uint64_t o) override { return below_.unlock_owner(f, o); }
  fs::Async<fs::StatFs> statfs() override { return below_.statfs(); }

 private:
  fs::AsyncStatus pass() {
    std::unique_lock lock(mutex_);
    ++held_back_;
    while (closed_) co_await waiting_.wait(lock);
    --held_back_;
    co_return Status();
  }

  fs::FileSystem& below_;
  std::mutex mutex_;
  bool closed_ = false;         // guarded by mutex_
  std::size_t held_back_ = 0;   // guarded by mutex_
  runtime::WaitQueue waiting_;  // guarded by mutex_
};

}  // namespace ross::capi_test
