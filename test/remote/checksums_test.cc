// Goal: who reads through a server never gets wrong data: not from a damaged device, not from a network that spoils it, and
// no server is believed that sends checksums for something else.
// Method: the check alone, over random ranges and memory in pieces; a pool on memory whose device is damaged under it; a pool that
// lends data other than its checksums say.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/checksum.h"
#include "base/random.h"
#include "client/checksums.h"
#include "client/remote_file_system.h"
#include "engine/pool_fixture.h"
#include "fabric/tcp/tcp.h"
#include "model_pool.h"
#include "runtime/loop.h"
#include "self.h"
#include "server/server.h"

namespace ross::server {
namespace {

constexpr std::size_t kBlock = fs::kChecksumBlockBytes;
using remote_test::kSelf;

std::vector<std::byte> random_bytes(Random& random, std::size_t size) {
  std::vector<std::byte> data(size);
  for (std::byte& byte : data) byte = static_cast<std::byte>(random.below(256));
  return data;
}

// Of every block of the file that data, which begins at offset, has from end to end.
std::string checksums_of(std::span<const std::byte> data, std::size_t offset) {
  std::string checksums;
  for (std::size_t at = (kBlock - offset % kBlock) % kBlock; at + kBlock <= data.size(); at += kBlock) {
    const std::uint32_t crc = crc32c(data.subspan(at, kBlock));
    checksums.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  }
  return checksums;
}

TEST(ChecksumsTest, FindEveryFlippedBitOfWholeBlocksHoweverTheMemoryLies) {
  Random random(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::byte> data = random_bytes(random, 1 + random.below(5 * kBlock));
    const std::size_t offset = random.below(3 * kBlock);
    const std::string checksums = checksums_of(data, offset);
    std::vector<memory::Span> spans;
    for (std::size_t at = 0; at < data.size();) {
      const std::size_t step = std::min<std::size_t>(data.size() - at, random.below(2 * kBlock));
      spans.push_back({data.data() + at, step});
      at += step;
    }
    const memory::Memory memory{std::span<const memory::Span>(spans)};
    ASSERT_TRUE(client::matches(memory, data.size(), offset, checksums).value()) << round;
    const std::size_t spoiled = random.below(data.size());
    data[spoiled] ^= static_cast<std::byte>(1U << random.below(8));
    const std::size_t block = (offset + spoiled) / kBlock * kBlock;
    const bool whole = block >= offset && block + kBlock <= offset + data.size();
    EXPECT_EQ(client::matches(memory, data.size(), offset, checksums).value(), !whole) << round;
  }
}

TEST(ChecksumsTest, AnotherNumberOfThemIsRefused) {
  std::vector<std::byte> data(3 * kBlock);
  const std::string checksums = checksums_of(data, 1);
  for (const std::string& wrong : {checksums + "abcd", checksums.substr(4), checksums.substr(1)}) {
    const auto result = client::matches(memory::Memory(data), data.size(), 1, wrong);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().error(), EBADMSG);
  }
}

// Serves a pool to one client.
class Served {
 public:
  explicit Served(engine::Pool& pool) {
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::tcp::make_domain({}), .address = "127.0.0.1:0"};
    server_ = *Server::start(pool, std::move(listeners), {});
    const auto begun =
        server_->begin_session({.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}});
    const std::int64_t deadline_ns = system_clock().monotonic_ns() + 20'000'000'000;
    remote_ = *client::open_container(
        *client::Session::connect(*fabric::tcp::make_domain({}), server_->addresses().at(0), begun->token, deadline_ns),
        "c");
    file_ = run(remote_->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}))->file;
  }
  ~Served() { remote_.reset(); }

  template <class T>
  T run(runtime::Task<T> task) {
    return loop_->block_on(std::move(task));
  }
  void write(const std::vector<std::byte>& data) {
    ASSERT_EQ(run(remote_->write(file_, 0, memory::Memory::for_write(data.data(), data.size()))).value(), data.size());
  }
  Result<std::vector<std::byte>> read(std::size_t offset, std::size_t size) {
    std::vector<std::byte> data(size);
    ROSS_TRY(const std::uint64_t got, run(remote_->read(file_, offset, memory::Memory(data))));
    data.resize(got);
    return data;
  }

 private:
  std::unique_ptr<Server> server_;
  std::unique_ptr<runtime::Loop> loop_ = *runtime::Loop::create();
  std::unique_ptr<fs::FileSystem> remote_;
  fs::FileId file_;
};

TEST(DamagedDeviceTest, IsAnErrorToWhoReadsThroughAServer) {
  const engine::TestDirectory directory;
  ASSERT_TRUE(engine::Pool::create(directory / "pool", {.devices = {{.kind = engine::DeviceKind::kRam,
                                                                     .size_bytes = engine::kTestDeviceBytes}}})
                  .ok());
  const auto pool = *engine::Pool::open(directory / "pool", engine::quiet_options());
  ASSERT_TRUE(pool->create_container("c", {}).ok());
  Random random(5);
  const std::vector<std::byte> data = random_bytes(random, 64 * kBlock);
  {
    Served served(*pool);
    served.write(data);
    const std::string device = pool->info().devices.at(0).path;
    std::fstream stream(device, std::ios::in | std::ios::out | std::ios::binary);
    const std::string held = engine::content_of(device);
    const std::size_t block = 20;
    const std::size_t at = held.find(std::string(reinterpret_cast<const char*>(&data[block * kBlock]), kBlock));
    ASSERT_NE(at, std::string::npos) << device;
    stream.seekp(static_cast<std::streamoff>(at + 77));
    stream.put(static_cast<char>(held[at + 77] ^ 4)).flush();
    for (const auto& [offset, size] :
         {std::pair{std::size_t{0}, data.size()}, {block * kBlock, kBlock}, {block * kBlock + 5, 10UL}}) {
      const auto got = served.read(offset, size);
      ASSERT_FALSE(got.has_value()) << offset;
      EXPECT_EQ(got.error().error(), EIO);
      EXPECT_NE(got.error().message().find("ross fsck"), std::string_view::npos) << got.error().message();
    }
    EXPECT_EQ(served.read(0, block * kBlock).value(), std::vector(data.begin(), data.begin() + block * kBlock));
  }
  EXPECT_TRUE(pool->close().ok());
  EXPECT_TRUE(engine::Pool::destroy(directory / "pool").ok());
}

// Lends copies that are spoiled, as a network would, unless it is asked to check them.
class Spoiling final : public capi_test::GatedFileSystem {
 public:
  using GatedFileSystem::GatedFileSystem;
  fs::Async<bool> lend(fs::FileId file, std::uint64_t offset, std::uint64_t size, fs::Loan& loan) override {
    if (!loan.reader_checks()) co_return false;
    copy_.resize(size);
    ROSS_CO_TRY(const std::uint64_t got, co_await read(file, offset, memory::Memory(copy_)));
    const std::string checksums = checksums_of({copy_.data(), got}, offset);
    for (std::size_t at = 0; at < checksums.size(); at += sizeof(std::uint32_t)) {
      std::uint32_t crc = 0;
      std::memcpy(&crc, checksums.data() + at, sizeof crc);
      loan.add_checksum(crc);
    }
    copy_[got / 2] ^= std::byte{1};
    loan.begin(nullptr, [](void*) {});
    loan.add(copy_.data(), got);
    ++spoiled;
    co_return true;
  }
  static inline std::atomic<int> spoiled = 0;

 private:
  std::vector<std::byte> copy_;
};

class SpoilingPool final : public remote_test::ModelPool {
 public:
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) override {
    ROSS_TRY(below_, ModelPool::open_container(name));
    return std::make_unique<Spoiling>(*below_);
  }

 private:
  std::unique_ptr<fs::FileSystem> below_;
};

TEST(SpoilingNetworkTest, IsReadAgainAndTheServerChecks) {
  SpoilingPool pool;
  ASSERT_TRUE(pool.create_container("c", {}).ok());
  Random random(6);
  const std::vector<std::byte> data = random_bytes(random, 300'000);
  Served served(pool);
  served.write(data);
  Spoiling::spoiled = 0;
  EXPECT_EQ(served.read(0, data.size()).value(), data);
  EXPECT_EQ(served.read(4096, 4096).value(), std::vector(data.begin() + 4096, data.begin() + 8192));
  EXPECT_EQ(Spoiling::spoiled, 2);
}

}  // namespace
}  // namespace ross::server
