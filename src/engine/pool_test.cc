// Goal: whatever is wrong with a pool or a request to one, the answer is the right errno and a sentence that says what to do, the
// process goes on, and nothing is left behind or lost. Method: a small pool, one thing wrong at a time.
#include "engine/pool.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "engine/format/superblock.h"
#include "engine/pool_fixture.h"

namespace ross::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace stdfs = std::filesystem;

void expect_refused(const Status& status, int error, const std::string& advice) {
  EXPECT_EQ(status.error(), error) << status.message();
  EXPECT_THAT(status.message(), HasSubstr(advice));
}

class PoolTest : public ::testing::Test {
 protected:
  PoolTest() : pool_(directory_ / "pool") {}

  void make_pool(const std::vector<std::string>& containers = {"c"}) {
    const Status made = Pool::create(pool_, small_pool());
    ASSERT_TRUE(made.ok()) << made.message();
    auto pool = Pool::open(pool_, quiet_options());
    ASSERT_TRUE(pool) << pool.error().message();
    for (const std::string& name : containers) ASSERT_TRUE((*pool)->create_container(name, {}).ok());
    ASSERT_TRUE((*pool)->close().ok());
  }
  Status try_open() {
    auto pool = Pool::open(pool_, quiet_options());
    return pool ? Status() : std::move(pool).error();
  }
  void expect_open_refused(int error, const std::string& advice) {
    const auto before = files_of(pool_);
    expect_refused(try_open(), error, advice);
    EXPECT_TRUE(files_of(pool_) == before) << "the refusal changed something";
  }
  static void write_file(const stdfs::path& path, std::string_view bytes) {
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(out.good());
  }
  static void write_at(const stdfs::path& path, std::streamoff at, std::string_view bytes) {
    std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(at);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(out.good());
  }

  TestDirectory directory_;
  const stdfs::path pool_;
};

// ---- opening ----

TEST_F(PoolTest, MissingOrForeign) {
  expect_refused(try_open(), ENOENT, "make one with ross pool create");
  stdfs::create_directory(pool_);
  expect_open_refused(ENOENT, "make one with ross pool create");
  EXPECT_TRUE(stdfs::is_empty(pool_)) << "not even a lock is left";
  write_file(pool_ / "ross-pool", std::string(20000, 'x'));
  expect_open_refused(EINVAL, "not one of ROSS");
  stdfs::remove_all(pool_);
  write_file(pool_, "a file");
  expect_refused(try_open(), ENOTDIR, pool_.string());
}

TEST_F(PoolTest, TruncatedNewerOrDamagedSuperblock) {
  make_pool();
  const std::string good = content_of(pool_ / "ross-pool");
  for (const std::size_t size : {0, 7, 8, 12, 4096, 16383}) {
    write_file(pool_ / "ross-pool", good.substr(0, size));
    expect_open_refused(EIO, "restore it from a copy");
  }
  std::string newer = good;
  newer[8] = 2;
  write_file(pool_ / "ross-pool", newer);
  expect_open_refused(ENOTSUP, "use a matching ross");
  for (const std::size_t at : {13, 40, 60, 8000, 16383}) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_file(pool_ / "ross-pool", damaged);
    expect_open_refused(EIO, "restore it from a copy");
  }
  write_file(pool_ / "ross-pool", good);
  EXPECT_TRUE(try_open().ok());
}

TEST_F(PoolTest, DamagedNewerOrForeignDevice) {
  make_pool();
  const std::string good = content_of(pool_ / "data0").substr(0, 4096);
  std::string newer = good;
  newer[8] = 2;
  write_at(pool_ / "data0", 0, newer);
  expect_open_refused(ENOTSUP, "use a matching ross");
  std::string damaged = good;
  damaged[100] = 'x';
  write_at(pool_ / "data0", 0, damaged);
  expect_open_refused(EIO, "restore it");
  write_at(pool_ / "data0", 0, std::string(4096, '\0'));
  expect_open_refused(EINVAL, "not one of ROSS");
  write_at(pool_ / "data0", 0, good);
  EXPECT_TRUE(try_open().ok());
}

TEST_F(PoolTest, DeviceGoneTruncatedOrOfAnotherPool) {
  make_pool();
  stdfs::rename(pool_ / "data0", directory_ / "aside");
  expect_open_refused(ENODEV, "bring the device back");
  ASSERT_TRUE(Pool::create(directory_ / "stranger", small_pool()).ok());
  stdfs::copy(directory_ / "stranger" / "data0", pool_ / "data0");
  expect_open_refused(EINVAL, "is a device of another pool");
  stdfs::remove(pool_ / "data0");
  stdfs::rename(directory_ / "aside", pool_ / "data0");
  stdfs::resize_file(pool_ / "data0", kTestDeviceBytes - 4096);
  expect_open_refused(EIO, "it was truncated or replaced");
  stdfs::resize_file(pool_ / "data0", 100);
  expect_open_refused(EIO, "restore it");
}

TEST_F(PoolTest, DevicesInTheWrongOrder) {
  PoolSpec spec = small_pool();
  spec.devices.push_back(spec.devices.front());
  ASSERT_TRUE(Pool::create(pool_, spec).ok());
  stdfs::rename(pool_ / "data0", pool_ / "x");
  stdfs::rename(pool_ / "data1", pool_ / "data0");
  stdfs::rename(pool_ / "x", pool_ / "data1");
  expect_open_refused(EINVAL, "another one of this");
}

TEST_F(PoolTest, StoreMissingGarbledNewerOrOfAnotherPool) {
  make_pool();
  stdfs::rename(pool_ / "meta", directory_ / "aside");
  expect_open_refused(EIO, "restore it from a copy");
  EXPECT_FALSE(stdfs::exists(pool_ / "meta")) << "no empty store is made";

  ASSERT_TRUE(Pool::create(directory_ / "stranger", small_pool()).ok());
  stdfs::copy(directory_ / "stranger" / "meta", pool_ / "meta", stdfs::copy_options::recursive);
  expect_refused(try_open(), EINVAL, "belongs to another pool");

  stdfs::remove_all(pool_ / "meta");
  stdfs::copy(directory_ / "aside", pool_ / "meta", stdfs::copy_options::recursive);
  write_file(pool_ / "meta" / "CURRENT", "nonsense\n");
  expect_refused(try_open(), EIO, "ross fsck");

  stdfs::remove_all(pool_ / "meta");
  stdfs::copy(directory_ / "aside", pool_ / "meta", stdfs::copy_options::recursive);
  {
    RawStore raw(pool_);
    raw.put(format::pool_key(), format::encode(format::PoolRecord{.version = format::kServedVersion + 1}));
  }
  expect_refused(try_open(), ENOTSUP, "use a matching ross");
  {
    RawStore raw(pool_);
    raw.put(format::pool_key(), "?");
  }
  expect_refused(try_open(), EIO, "ross fsck");
  {
    RawStore raw(pool_);
    raw.erase(format::pool_key());
  }
  expect_refused(try_open(), EIO, "destroy it");
}

TEST_F(PoolTest, DamagedRecordsAreSaid) {
  make_pool();
  struct Damage {
    std::string key;
    std::string value;
  };
  const std::vector<Damage> damages = {
      {format::container_key(format::ContainerId(1)), "?"}, {format::space_key(0, 0), "short"},
      {format::space_key(9, 0), std::string(512, '\1')},    {format::space_key(0, 0), std::string(512, '\xff')},
      {format::deferred_key(0, 5), std::string(4096, 'x')}, {format::deferred_key(0, 100), "short"},
  };
  for (const Damage& damage : damages) {
    std::error_code error;
    stdfs::remove_all(directory_ / "aside", error);
    copy_pool(pool_, directory_ / "aside");
    {
      RawStore raw(pool_);
      raw.put(damage.key, damage.value);
    }
    expect_refused(try_open(), EIO, "run ross fsck");
    stdfs::remove_all(pool_);
    stdfs::rename(directory_ / "aside", pool_);
  }
}

TEST_F(PoolTest, ASecondOpenerIsToldWhoHasThePool) {
  make_pool();
  {
    TestFiles first(pool_);
    const Status second = try_open();
    expect_refused(second, EBUSY, "stop that first");
    EXPECT_THAT(second.message(), HasSubstr(std::to_string(::getpid())));
    expect_refused(Pool::destroy(pool_), EBUSY, "stop that first");
    expect_refused(Pool::create(pool_, small_pool()), EEXIST, "is a pool already");
    EXPECT_TRUE(first.put(fs::kRootNode, "file", "works on").ok());
  }
  EXPECT_TRUE(try_open().ok()) << "and the pool is free again";
}

// Runs in a child as uid 65534; what it returns comes back.
int as_nobody(const std::function<Status()>& run, std::string& message) {
  int pipe_fds[2];
  EXPECT_EQ(::pipe(pipe_fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(255);
    const Status status = run();
    const std::string text = status.message();
    [[maybe_unused]] const auto put = ::write(pipe_fds[1], text.data(), text.size());
    ::_exit(status.error());
  }
  ::close(pipe_fds[1]);
  char text[1024];
  for (ssize_t got = 0; (got = ::read(pipe_fds[0], text, sizeof text)) > 0;) message.append(text, got);
  ::close(pipe_fds[0]);
  int how = 0;
  EXPECT_EQ(::waitpid(child, &how, 0), child);
  EXPECT_TRUE(WIFEXITED(how)) << "the child was killed by signal " << WTERMSIG(how);
  return WEXITSTATUS(how);
}

TEST_F(PoolTest, NoPermission) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  make_pool();
  for (const ::mode_t mode : {0700, 0755}) {
    SCOPED_TRACE(mode);
    ASSERT_EQ(::chmod(directory_.path().c_str(), mode), 0);
    ASSERT_EQ(::chmod(pool_.c_str(), 0755), 0);
    std::string opening;
    EXPECT_EQ(as_nobody([this] { return try_open(); }, opening), EACCES) << opening;
    EXPECT_THAT(opening, HasSubstr("permission"));
    std::string creating;
    const auto create = [this] { return Pool::create(directory_ / "new", small_pool()); };
    EXPECT_EQ(as_nobody(create, creating), EACCES) << creating;
    std::string destroying;
    EXPECT_EQ(as_nobody([this] { return Pool::destroy(pool_); }, destroying), EACCES) << destroying;
    EXPECT_FALSE(stdfs::exists(directory_ / "new"));
  }
  EXPECT_TRUE(try_open().ok());
}

// ---- creating and destroying ----

TEST_F(PoolTest, WhatCannotBeCreatedLeavesNothing) {
  const auto refused = [&](const PoolSpec& spec, int error, const std::string& advice) {
    expect_refused(Pool::create(pool_, spec), error, advice);
    EXPECT_FALSE(stdfs::exists(pool_)) << "something is left behind";
  };
  const auto with = [](DeviceSpec device) { return PoolSpec{.devices = {std::move(device)}}; };
  refused({}, EINVAL, "a pool needs a device");
  refused(PoolSpec{.devices = std::vector<DeviceSpec>(33, small_pool().devices[0])}, EINVAL, "at most 32 devices");
  refused(with({.kind = DeviceKind::kFile, .size_bytes = 4096}), EINVAL, "at least 16 MiB");
  refused(with({.kind = DeviceKind::kFile, .size_bytes = std::uint64_t{1} << 60}), EINVAL, "at most 1 PiB");
  refused(with({.kind = DeviceKind::kFile}), EINVAL, "at least 16 MiB");
  refused(with({.kind = DeviceKind::kBlock}), EINVAL, "needs a path");
  refused(with({.kind = DeviceKind::kBlock, .path = "/dev/no-such-device"}), ENOENT, "no such device");
  refused(with({.kind = DeviceKind::kFile, .path = "/dev/null"}), EINVAL, "neither a file nor a block device");
  refused(with({.kind = DeviceKind::kFile, .path = std::string(500, 'x'), .size_bytes = kTestDeviceBytes}),
          ENAMETOOLONG, "too long");
  PoolSpec second_bad = small_pool();
  second_bad.devices.push_back({.kind = DeviceKind::kFile, .size_bytes = 1});
  refused(second_bad, EINVAL, "at least 16 MiB");
  const Status full = Pool::create(pool_, with({.kind = DeviceKind::kFile, .size_bytes = std::uint64_t{1} << 49}));
  EXPECT_TRUE(full.error() == ENOSPC || full.error() == EFBIG) << full.message();
  EXPECT_THAT(full.message(), HasSubstr("smaller size"));
  EXPECT_FALSE(stdfs::exists(pool_));
}

TEST_F(PoolTest, AnExistingDeviceIsAsItWasWhenCreationFails) {
  const stdfs::path device = directory_ / "device";
  write_file(device, std::string(kTestDeviceBytes, '\0'));
  PoolSpec spec{
      .devices = {{.kind = DeviceKind::kFile, .path = device.string()}, {.kind = DeviceKind::kFile, .size_bytes = 1}}};
  expect_refused(Pool::create(pool_, spec), EINVAL, "at least 16 MiB");
  EXPECT_TRUE(content_of(device) == std::string(kTestDeviceBytes, '\0')) << "a header is left behind";
  spec.devices.pop_back();
  EXPECT_TRUE(Pool::create(pool_, spec).ok());
  spec.devices[0].size_bytes = 2 * kTestDeviceBytes;
  expect_refused(Pool::create(directory_ / "other", spec), EEXIST, "destroy that pool, or wipe");
  EXPECT_FALSE(stdfs::exists(directory_ / "other"));
  ASSERT_TRUE(Pool::destroy(pool_).ok());
  EXPECT_TRUE(stdfs::exists(device)) << "it was there before the pool";
  expect_refused(Pool::create(pool_, spec), EINVAL, "fewer than");
}

TEST_F(PoolTest, CreateKeepsWhatIsThere) {
  make_pool();
  const auto before = files_of(pool_);
  expect_refused(Pool::create(pool_, small_pool()), EEXIST, "destroy it first");
  EXPECT_TRUE(files_of(pool_) == before);
  // Somebody's own directory, or what a creation that was cut short left.
  for (const std::string name : {"meta", "data0"}) {
    const stdfs::path home = directory_ / ("home-" + name);
    stdfs::create_directories(home / name);
    write_file(home / name / "precious", "text");
    expect_refused(Pool::create(home, small_pool()), EEXIST, "remove it");
    EXPECT_EQ(content_of(home / name / "precious"), "text");
  }
}

TEST_F(PoolTest, ACreationThatWasCutShort) {
  make_pool();
  stdfs::remove(pool_ / "ross-pool");
  expect_open_refused(ENOENT, "make one with ross pool create");
  expect_refused(Pool::create(pool_, small_pool()), EEXIST, "remove it");
  stdfs::remove_all(pool_ / "meta");
  expect_refused(Pool::create(pool_, small_pool()), EEXIST, "remove it");
  stdfs::remove(pool_ / "data0");
  EXPECT_TRUE(Pool::create(pool_, small_pool()).ok()) << "after the advice was followed";
  EXPECT_TRUE(try_open().ok());
}

TEST_F(PoolTest, DestroyRemovesThePoolAndNothingElse) {
  make_pool();
  write_file(pool_ / "notes", "mine");
  ASSERT_TRUE(Pool::destroy(pool_).ok());
  EXPECT_EQ(std::distance(stdfs::directory_iterator(pool_), {}), 1);
  EXPECT_EQ(content_of(pool_ / "notes"), "mine");
  expect_refused(Pool::destroy(pool_), ENOENT, "is not a pool");
  expect_refused(Pool::destroy(directory_ / "nowhere"), ENOENT, "no such pool");
  stdfs::remove(pool_ / "notes");
  make_pool();
  ASSERT_TRUE(Pool::destroy(pool_).ok());
  EXPECT_FALSE(stdfs::exists(pool_));
}

TEST_F(PoolTest, DestroyLeavesADeviceThatBelongsToAnotherPoolNow) {
  const stdfs::path device = directory_ / "device";
  write_file(device, std::string(kTestDeviceBytes, '\0'));
  const PoolSpec spec{.devices = {{.kind = DeviceKind::kFile, .path = device.string()}}};
  ASSERT_TRUE(Pool::create(pool_, spec).ok());
  write_at(device, 0, std::string(4096, '\0'));
  ASSERT_TRUE(Pool::create(directory_ / "new", spec).ok());
  const std::string header = content_of(device).substr(0, 4096);
  EXPECT_TRUE(Pool::destroy(pool_).ok());
  EXPECT_TRUE(content_of(device).substr(0, 4096) == header);
  EXPECT_TRUE(Pool::open(directory_ / "new", quiet_options()));
}

TEST_F(PoolTest, MemoryDevicesGoWithThePool) {
  ASSERT_TRUE(Pool::create(pool_, {.devices = {{.kind = DeviceKind::kRam, .size_bytes = kTestDeviceBytes}}}).ok());
  std::string path;
  {
    auto pool = Pool::open(pool_, quiet_options());
    ASSERT_TRUE(pool) << pool.error().message();
    path = (*pool)->info().devices.at(0).path;
    EXPECT_TRUE(stdfs::exists(path));
  }
  ASSERT_TRUE(Pool::destroy(pool_).ok());
  EXPECT_FALSE(stdfs::exists(path));
  ASSERT_TRUE(Pool::create(pool_, {.devices = {{.kind = DeviceKind::kRam, .size_bytes = kTestDeviceBytes}}}).ok());
  path = (*Pool::open(pool_, quiet_options()))->info().devices.at(0).path;
  stdfs::remove(path);
  expect_open_refused(ENODEV, "destroy the pool and make it anew");
  EXPECT_TRUE(Pool::destroy(pool_).ok());
}

// ---- containers ----

TEST_F(PoolTest, ContainerNames) {
  make_pool({});
  auto pool = *Pool::open(pool_, quiet_options());
  for (const std::string& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                                  std::string("a\0b", 3), std::string(256, 'x')}) {
    expect_refused(pool->create_container(name, {}), EINVAL, "a container's name has 1 to 255 bytes");
  }
  EXPECT_TRUE(pool->create_container(std::string(255, 'x'), {}).ok());
  EXPECT_TRUE(pool->create_container("\xff\x01 name", {}).ok());
  expect_refused(pool->create_container("\xff\x01 name", {}), EEXIST, "is there already");
  expect_refused(pool->open_container("nobody").error(), ENOENT, "make it with ross container create");
  expect_refused(pool->container("nobody").error(), ENOENT, "make it");
  expect_refused(pool->set_container("nobody", {}), ENOENT, "make it");
  expect_refused(pool->destroy_container("nobody"), ENOENT, "make it");
  EXPECT_EQ(pool->containers().size(), 2U);
}

TEST_F(PoolTest, AnOpenContainerHoldsItselfAndItsPool) {
  make_pool();
  auto pool = *Pool::open(pool_, quiet_options());
  auto files = *pool->open_container("c");
  expect_refused(pool->destroy_container("c"), EBUSY, "close it first");
  expect_refused(pool->close(), EBUSY, "close it first");
  files.reset();
  EXPECT_TRUE(pool->destroy_container("c").ok());
  EXPECT_THAT(pool->containers(), IsEmpty());
  EXPECT_TRUE(pool->create_container("c", {}).ok()) << "its name is free";
  EXPECT_TRUE(pool->close().ok());
}

TEST_F(PoolTest, DestroyingAContainerGivesItsSpaceBack) {
  make_pool({"c", "stays"});
  const auto free_bytes = [this] { return (*Pool::open(pool_, quiet_options()))->info().free_bytes; };
  const std::uint64_t before = free_bytes();
  {
    TestFiles files(pool_);
    for (int i = 0; i < 1200; ++i) ASSERT_TRUE(files.put(fs::kRootNode, "f" + std::to_string(i), "x").ok());
    auto kept = files.create(fs::kRootNode, "reserved");
    ASSERT_TRUE(files.wait(files.fs().fallocate(*kept, fs::Fallocate::kAllocate, 0, 1 << 20)).ok());
    ASSERT_TRUE(files.wait(files.fs().close(*kept)).ok());
  }
  EXPECT_LT(free_bytes(), before - 1200 * 4096);
  ASSERT_TRUE((*Pool::open(pool_, quiet_options()))->destroy_container("c").ok());
  EXPECT_EQ(free_bytes(), before);
  RawStore raw(pool_);
  for (const auto kind : {format::KeyKind::kEntry, format::KeyKind::kSegment, format::KeyKind::kOrphan}) {
    EXPECT_THAT(raw.all(kind), IsEmpty());
  }
  EXPECT_EQ(raw.all(format::KeyKind::kInode).size(), 1U) << "the other container's root";
}

// ---- full ----

TEST_F(PoolTest, Quotas) {
  make_pool();
  {
    auto pool = *Pool::open(pool_, quiet_options());
    ASSERT_TRUE(pool->set_container("c", {.quota_bytes = 100 * 4096, .quota_nodes = 3}).ok());
  }
  TestFiles files(pool_);
  ASSERT_TRUE(files.put(fs::kRootNode, "one", pattern(1, 90 * 4096)).ok());
  expect_refused(files.put(fs::kRootNode, "two", pattern(2, 11 * 4096)), EDQUOT, "raise it");
  EXPECT_TRUE(files.put(fs::kRootNode, "two", pattern(3, 10 * 4096)).ok()) << "up to the last block";
  EXPECT_TRUE(files.put(fs::kRootNode, "two", pattern(4, 10 * 4096)).ok()) << "overwriting needs no more";
  expect_refused(files.put(fs::kRootNode, "three", ""), EDQUOT, "raise it");
  expect_refused(files.wait(files.fs().mkdir(files.root(), fs::kRootNode, "d", 0755)).error(), EDQUOT, "raise it");
  EXPECT_EQ(files.get(*files.find("two")).value_or(""), pattern(4, 10 * 4096));
  ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "one")).ok());
  EXPECT_TRUE(files.put(fs::kRootNode, "three", pattern(5, 90 * 4096)).ok());
  const fs::StatFs stat = *files.wait(files.fs().statfs());
  EXPECT_EQ(stat.total_bytes, 100U * 4096);
  EXPECT_EQ(stat.free_bytes, 0U);
  EXPECT_EQ(stat.nodes_used, 3U);
}

TEST_F(PoolTest, AFullPoolSaysSoAndWorksOn) {
  make_pool();
  TestFiles files(pool_);
  const std::string piece = pattern(8, 1 << 20);
  int whole = 0;
  Status status;
  for (; whole < 16 && status.ok(); ++whole) status = files.put(fs::kRootNode, "f" + std::to_string(whole), piece);
  expect_refused(status, ENOSPC, "delete something or add space");
  EXPECT_TRUE(files.wait(files.fs().sync()).ok());
  for (int i = 0; i + 1 < whole; ++i) {
    EXPECT_TRUE(files.get(*files.find("f" + std::to_string(i))).value_or("") == piece) << i;
  }
  ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "f0")).ok());
  EXPECT_TRUE(files.put(fs::kRootNode, "again", piece).ok()) << "what was freed can be used at once";
}

// Every second block is free: no run is longer than one block, and a small change does not fit the append log's chunks.
TEST_F(PoolTest, ScatteredSpaceIsUsed) {
  make_pool();
  TestFiles files(pool_);
  auto holes = files.create(fs::kRootNode, "holes");
  ASSERT_TRUE(holes);
  std::uint64_t blocks = 0;
  const std::string block = pattern(9, 4096);
  while (files.write(*holes, blocks * 4096, block).ok()) ++blocks;
  ASSERT_GT(blocks, 3500U);
  for (std::uint64_t at = 0; at < blocks; at += 2) {
    ASSERT_TRUE(files.wait(files.fs().fallocate(*holes, fs::Fallocate::kPunchHole, at * 4096, 4096)).ok());
  }
  ASSERT_TRUE(files.wait(files.fs().sync()).ok());
  ASSERT_TRUE(files.wait(files.fs().sync()).ok());
  const std::string change = pattern(10, 16 * 4096);
  for (int i = 0; i < 20; ++i) {
    fs::NodeId node;
    const Status status = files.put(fs::kRootNode, "small" + std::to_string(i), change, &node);
    ASSERT_TRUE(status.ok()) << i << ": " << status.message();
    ASSERT_TRUE(files.get(node).value_or("") == change) << i;
  }
  EXPECT_TRUE(files.wait(files.fs().close(*holes)).ok());
}

// What nobody waits for is committed all the same; else a program that only reads would gather changed inodes without bound.
TEST_F(PoolTest, AccessTimesOfAProgramThatOnlyReadsAreCommitted) {
  make_pool();
  fs::NodeId node;
  std::int64_t before_ns = 0;
  {
    TestFiles files(pool_);
    ASSERT_TRUE(files.put(fs::kRootNode, "f", "content", &node).ok());
    before_ns = files.wait(files.fs().getattr(node))->atime_ns;
  }
  PoolOptions options;
  options.commit_interval_ns = 1'000'000;
  TestFiles files(pool_, "c", options);
  ASSERT_EQ(files.get(node).value_or(""), "content");
  const std::int64_t moved_ns = files.wait(files.fs().getattr(node))->atime_ns;
  ASSERT_GT(moved_ns, before_ns);
  std::int64_t durable_ns = 0;
  for (int tries = 0; tries < 200 && durable_ns != moved_ns; ++tries) {
    const stdfs::path copy = directory_ / "copy";
    copy_pool(pool_, copy);
    TestFiles other(copy);
    ASSERT_TRUE(other.ok());
    durable_ns = other.wait(other.fs().getattr(node))->atime_ns;
    other.close();
    stdfs::remove_all(copy);
  }
  EXPECT_EQ(durable_ns, moved_ns);
}

}  // namespace
}  // namespace ross::engine
