#include "conformance/file_system/harness.h"

#include <algorithm>
#include <cstring>
#include <thread>

namespace ross::conformance {

using fs::Attr;
using fs::FileId;
using fs::NodeId;

void FileSystemTest::SetUp() { remake({.clock = &clock}); }

void FileSystemTest::remake(const InstanceOptions& options) {
  TearDown();
  auto made = GetParam().make(options);
  ASSERT_TRUE(made.has_value()) << made.error().message();
  instance_ = *std::move(made);
  driver_ = std::make_unique<Driver>(*instance_);
  // Everybody may make things at the top, so that tests need no directory of their own.
  ASSERT_EQ(error(fs().setattr(kRoot, kTop, {.mode = 0777})), 0);
}

void FileSystemTest::TearDown() {
  if (instance_ == nullptr) return;
  for (const FileId file : opened_) {
    const int closed = error(fs().close(file));
    EXPECT_TRUE(closed == 0 || closed == EBADF) << closed;
  }
  opened_.clear();
  driver_.reset();
  instance_.reset();
}

void FileSystemTest::restart() {
  opened_.clear();
  driver_.reset();
  const Status restarted = instance_->restart();
  ASSERT_TRUE(restarted.ok()) << restarted.message();
  driver_ = std::make_unique<Driver>(*instance_);
}

void FileSystemTest::run_threads(int count, const std::function<void(Driver& driver, int index)>& body) {
  std::vector<std::jthread> threads;
  for (int index = 0; index < count; ++index) {
    threads.emplace_back([this, &body, index] {
      Driver driver(fs());
      body(driver, index);
    });
  }
}

void FileSystemTest::tick() { clock.shift(1'000'000); }

NodeId FileSystemTest::make_dir(std::string_view name, NodeId parent, std::uint32_t mode) {
  const auto made = run(fs().mkdir(kRoot, parent, name, mode));
  EXPECT_EQ(errno_of(made), 0) << "mkdir " << name;
  return made ? made->node : NodeId(0);
}

NodeId FileSystemTest::make_file(std::string_view name, std::string_view text, NodeId parent, std::uint32_t mode) {
  const auto made = run(fs().create(kRoot, parent, name, mode, {.write = true, .exclusive = true}));
  EXPECT_EQ(errno_of(made), 0) << "create " << name;
  if (!made) return NodeId(0);
  EXPECT_EQ(write(made->file, 0, text), 0);
  EXPECT_EQ(error(fs().close(made->file)), 0);
  return made->attr.node;
}

NodeId FileSystemTest::make_link(std::string_view name, std::string_view target, NodeId parent) {
  const auto made = run(fs().symlink(kRoot, parent, name, target));
  EXPECT_EQ(errno_of(made), 0) << "symlink " << name;
  return made ? made->node : NodeId(0);
}

void FileSystemTest::chown(NodeId node, const fs::Credential& owner, std::uint32_t mode) {
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.uid = owner.uid, .gid = owner.gid})), 0);
  EXPECT_EQ(error(fs().setattr(kRoot, node, {.mode = mode})), 0);
}

FileId FileSystemTest::open(NodeId node, fs::OpenFlags flags, const fs::Credential& cred) {
  const auto opened = run(fs().open(cred, node, flags));
  EXPECT_EQ(errno_of(opened), 0) << "open";
  if (!opened) return FileId(0);
  opened_.push_back(opened->file);
  return opened->file;
}

Attr FileSystemTest::attr(NodeId node) {
  const auto found = run(fs().getattr(node));
  EXPECT_EQ(errno_of(found), 0) << "getattr";
  return found.value_or(Attr{});
}

NodeId FileSystemTest::node_at(std::string_view name, NodeId parent) {
  const auto found = run(fs().lookup(kRoot, parent, name));
  if (!found) {
    EXPECT_EQ(errno_of(found), ENOENT) << "lookup " << name;
  }
  return found ? found->node : NodeId(0);
}

std::vector<std::string> FileSystemTest::names(NodeId directory, std::size_t entries_max) {
  std::vector<std::string> all;
  fs::ReaddirOptions options{.entries_max = entries_max};
  while (true) {
    const auto some = run(fs().readdir(kRoot, directory, options));
    EXPECT_EQ(errno_of(some), 0) << "readdir";
    if (!some || some->empty()) break;
    EXPECT_LE(some->size(), entries_max);
    for (const fs::DirEntry& entry : *some) all.push_back(entry.name);
    options.cursor = some->back().cursor;
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::string FileSystemTest::read(FileId file, std::uint64_t offset_bytes, std::size_t size_bytes) {
  std::string text(size_bytes, '?');
  const auto count = run(fs().read(file, offset_bytes, memory::Memory(text.data(), size_bytes)));
  EXPECT_EQ(errno_of(count), 0) << "read";
  EXPECT_LE(count.value_or(0), size_bytes);
  text.resize(std::min<std::size_t>(count.value_or(0), size_bytes));
  return text;
}

std::string FileSystemTest::content(NodeId node) {
  const auto opened = run(fs().open(kRoot, node, {.read = true}));
  EXPECT_EQ(errno_of(opened), 0) << "open";
  if (!opened) return {};
  std::string text = read(opened->file, 0, attr(node).size_bytes);
  EXPECT_EQ(error(fs().close(opened->file)), 0);
  return text;
}

int FileSystemTest::write(FileId file, std::uint64_t offset_bytes, std::string_view text) {
  const auto count = run(fs().write(file, offset_bytes, memory::Memory::for_write(text.data(), text.size())));
  if (count) {
    EXPECT_EQ(*count, text.size()) << "a write is whole or an error";
  }
  return errno_of(count);
}

std::string pattern(std::uint64_t seed, std::size_t size_bytes) {
  Random random(seed);
  std::string text(size_bytes, '\0');
  for (std::size_t at = 0; at < size_bytes; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random() | 0x0101'0101'0101'0101;  // no byte of it is zero
    std::memcpy(text.data() + at, &word, std::min(sizeof word, size_bytes - at));
  }
  return text;
}

}  // namespace ross::conformance
