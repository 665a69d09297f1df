// What the engine's tests share: a small pool in a directory of its own, plain calls on its files, and its store laid open.
//
// Ownership: each owns what it made; a TestDirectory removes its tree. Threading: owner thread.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/write_batch.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/checksum.h"
#include "engine/format/keys.h"
#include "engine/format/records.h"
#include "engine/meta/meta_store.h"
#include "engine/pool.h"
#include "runtime/loop.h"

namespace ross::engine {

class TestDirectory {
 public:
  TestDirectory() {
    // In memory where there is such a place: these tests flush hundreds of times.
    const std::filesystem::path memory = "/dev/shm";
    const bool in_memory = ::access(memory.c_str(), W_OK) == 0;
    std::string path = ((in_memory ? memory : std::filesystem::temp_directory_path()) / "pool-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    path_ = path;
  }
  ~TestDirectory() {
    std::error_code error;
    // A device in memory does not lie in its pool's directory.
    for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
      if (std::filesystem::exists(entry.path() / "ross-pool")) static_cast<void>(Pool::destroy(entry.path()));
    }
    std::filesystem::remove_all(path_, error);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline constexpr std::uint64_t kTestDeviceBytes = 16ULL << 20;

inline PoolSpec small_pool() { return {.devices = {{.kind = DeviceKind::kFile, .size_bytes = kTestDeviceBytes}}}; }

// No background thread: what is durable is what the test synced.
inline PoolOptions quiet_options() { return {.cache_bytes = 8ULL << 20, .commit_interval_ns = 0}; }

// Copies a pool as it lies on disk now. Of an open, resting pool that is what kill -9 would leave. RocksDB tidies up by itself soon
// after it opens, so a copy during which files came or went is made again.
inline void copy_pool(const std::filesystem::path& from, const std::filesystem::path& to) {
  constexpr int kTriesMax = 100;
  const auto listing = [&from](std::error_code& error) {
    std::map<std::string, std::uint64_t> files;
    for (std::filesystem::recursive_directory_iterator at(from, error), end; !error && at != end; at.increment(error)) {
      if (at->is_regular_file(error)) files[at->path()] = at->file_size(error);
    }
    return files;
  };
  for (int tries = 0; tries < kTriesMax; ++tries) {
    std::error_code error;
    const auto before = listing(error);
    if (!error) std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, error);
    if (!error && listing(error) == before && !error) return;
    std::filesystem::remove_all(to, error);
  }
  ADD_FAILURE() << "the pool did not come to rest";
}

// A file's bytes, in one piece: tests run without optimization.
inline std::string content_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes(std::filesystem::file_size(path), '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  EXPECT_EQ(in.gcount(), static_cast<std::streamsize>(bytes.size())) << path;
  return bytes;
}

// What tells whether a file is as it was. Not its bytes: memory for whole devices was most of what these tests took.
struct Fingerprint {
  std::uint64_t size_bytes = 0;
  std::uint32_t crc = 0;
  bool operator==(const Fingerprint&) const = default;
};

inline Fingerprint fingerprint_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  Fingerprint print;
  std::array<char, 256 * 1024> piece;
  while (in.read(piece.data(), piece.size()) || in.gcount() > 0) {
    const auto got = static_cast<std::size_t>(in.gcount());
    print.size_bytes += got;
    print.crc = crc32c(std::as_bytes(std::span(piece.data(), got)), print.crc);
  }
  EXPECT_EQ(print.size_bytes, std::filesystem::file_size(path)) << path;
  return print;
}

// Every file of a pool with its fingerprint, save the lock, whose text is the holder's.
inline std::map<std::string, Fingerprint> files_of(const std::filesystem::path& directory) {
  std::map<std::string, Fingerprint> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().filename() == "lock") continue;
    files[entry.path().lexically_relative(directory)] = fingerprint_of(entry.path());
  }
  return files;
}

// A text that differs between seeds and has no two equal blocks. A word at a time: tests make megabytes of it, without optimization.
inline std::string pattern(std::uint64_t seed, std::size_t size) {
  std::string text(size, '\0');
  std::uint64_t state = seed * 0x9e3779b97f4a7c15 + 1;
  for (std::size_t at = 0; at < size; at += sizeof state) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const std::uint64_t word = state ^ (state >> 32);  // a low bit of the state itself hardly changes
    std::memcpy(text.data() + at, &word, std::min(sizeof word, size - at));
  }
  return text;
}

// An open pool and one of its containers, used with plain calls as uid 0.
class TestFiles {
 public:
  explicit TestFiles(const std::filesystem::path& directory, std::string_view container = "c",
                     const PoolOptions& options = quiet_options())
      : loop_(*runtime::Loop::create({.clock = options.clock})) {
    auto opened = Pool::open(directory, options);
    EXPECT_TRUE(opened) << (opened ? std::string() : opened.error().message());
    if (!opened) return;
    pool_ = *std::move(opened);
    auto files = pool_->open_container(container);
    EXPECT_TRUE(files) << (files ? std::string() : files.error().message());
    if (files) fs_ = *std::move(files);
  }
  ~TestFiles() { close(); }
  TestFiles(const TestFiles&) = delete;
  TestFiles& operator=(const TestFiles&) = delete;

  void close() {
    fs_.reset();
    if (pool_ == nullptr) return;
    const Status status = pool_->close();
    EXPECT_TRUE(status.ok()) << status.message();
    pool_.reset();
  }
  [[nodiscard]] bool ok() const { return fs_ != nullptr; }
  Pool& pool() { return *pool_; }
  fs::FileSystem& fs() { return *fs_; }
  template <class T>
  T wait(runtime::Task<T> task) {
    return loop_->block_on(std::move(task));
  }

  fs::NodeId mkdir(fs::NodeId parent, std::string_view name) {
    auto made = wait(fs_->mkdir(root_, parent, name, 0755));
    EXPECT_TRUE(made) << name;
    return made ? made->node : fs::NodeId();
  }
  Result<fs::FileId> create(fs::NodeId parent, std::string_view name, fs::NodeId* node = nullptr) {
    ROSS_TRY(const fs::Opened opened,
             wait(fs_->create(root_, parent, name, 0644, fs::OpenFlags{.read = true, .write = true})));
    if (node != nullptr) *node = opened.attr.node;
    return opened.file;
  }
  Status write(fs::FileId file, std::uint64_t offset, std::string_view content) {
    auto done = wait(fs_->write(file, offset, memory::Memory::for_write(content.data(), content.size())));
    return done ? Status() : std::move(done).error();
  }
  Status put(fs::NodeId parent, std::string_view name, std::string_view content, fs::NodeId* node = nullptr) {
    auto file = create(parent, name, node);
    if (!file) return std::move(file).error();
    const Status written = write(*file, 0, content);
    const Status closed = wait(fs_->close(*file));
    return written.ok() ? closed : written;
  }
  Result<std::string> get(fs::NodeId node) {
    ROSS_TRY(const fs::Attr attr, wait(fs_->getattr(node)));
    return get(node, 0, attr.size_bytes);
  }
  Result<std::string> get(fs::NodeId node, std::uint64_t offset, std::uint64_t size) {
    ROSS_TRY(const fs::Opened opened, wait(fs_->open(root_, node, fs::OpenFlags{.read = true})));
    std::string content(size, '?');
    auto got = wait(fs_->read(opened.file, offset, memory::Memory(content.data(), content.size())));
    ROSS_OK(wait(fs_->close(opened.file)));
    ROSS_TRY(const std::uint64_t bytes, std::move(got));
    content.resize(bytes);
    return content;
  }
  // The node at a path below the root, "a/b/c".
  Result<fs::NodeId> find(std::string_view path) {
    fs::NodeId at = fs::kRootNode;
    while (!path.empty()) {
      const std::string_view name = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(path.size(), name.size() + 1));
      ROSS_TRY(const fs::Attr attr, wait(fs_->lookup(root_, at, name)));
      at = attr.node;
    }
    return at;
  }
  [[nodiscard]] const fs::Credential& root() const { return root_; }

 private:
  const fs::Credential root_{};
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<fs::FileSystem> fs_;
};

// The store of a closed pool, to look into and to damage.
class RawStore {
 public:
  explicit RawStore(const std::filesystem::path& directory) {
    auto opened = MetaStore::open((directory / "meta").string(), {});
    EXPECT_TRUE(opened) << (opened ? std::string() : opened.error().message());
    if (opened) store_ = *std::move(opened);
  }
  ~RawStore() { EXPECT_TRUE(store_->write(batch_).ok()); }
  RawStore(const RawStore&) = delete;
  RawStore& operator=(const RawStore&) = delete;

  std::string get(std::string_view key) {
    auto value = store_->get(key);
    EXPECT_TRUE(value && *value) << "a record that the test relies on is not there";
    return value && *value ? **value : std::string();
  }
  bool has(std::string_view key) { return store_->get(key)->has_value(); }
  // These take effect when the RawStore goes.
  void put(const std::string& key, const std::string& value) { batch_.Put(key, value); }
  void erase(const std::string& key) { batch_.Delete(key); }
  std::vector<std::pair<std::string, std::string>> all(format::KeyKind kind) {
    std::vector<std::pair<std::string, std::string>> found;
    EXPECT_TRUE(store_
                    ->scan(format::key_of(kind), {},
                           [&](std::string_view key, std::string_view value) {
                             found.emplace_back(key, value);
                             return true;
                           })
                    .ok());
    return found;
  }
  format::InodeRecord inode(format::NodeKey node) {
    return *format::decode_inode(get(format::node_key(format::KeyKind::kInode, node)));
  }
  void put_inode(format::NodeKey node, const format::InodeRecord& record) {
    put(format::node_key(format::KeyKind::kInode, node), format::encode(record));
  }
  format::ContainerRecord container(format::ContainerId id) {
    return *format::decode_container(get(format::container_key(id)));
  }
  std::vector<format::BlockRef> segment(format::NodeKey node, std::uint32_t index) {
    return *format::decode_segment(get(format::segment_key(node, index)));
  }
  void put_segment(format::NodeKey node, std::uint32_t index, const std::vector<format::BlockRef>& blocks) {
    put(format::segment_key(node, index), format::encode_segment(blocks));
  }

 private:
  std::unique_ptr<MetaStore> store_;
  rocksdb::WriteBatch batch_;
};

}  // namespace ross::engine
