// Goal: what is lent is what a read gives, and stays so while the file and the pool go on changing. Method: pools on memory with
// random content, loans held through overwrites and commits that would use their blocks again.
#include <gtest/gtest.h>

#include "base/random.h"
#include "engine/pool_fixture.h"

namespace ross::engine {
namespace {

const fs::Credential kRoot{};

class LendTest : public ::testing::Test {
 protected:
  void open_pool(DeviceKind kind) {
    ASSERT_TRUE(Pool::create(place, {.devices = {{.kind = kind, .size_bytes = kTestDeviceBytes}}}).ok());
    pool = *Pool::open(place, quiet_options());
    ASSERT_TRUE(pool->create_container("c", {}).ok());
    container = *pool->open_container("c");
    const auto opened = run(container->create(kRoot, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
    ASSERT_TRUE(opened.has_value());
    file = opened->file;
  }
  void TearDown() override {
    container.reset();
    if (pool == nullptr) return;
    EXPECT_TRUE(pool->close().ok());
    pool.reset();
    EXPECT_TRUE(Pool::destroy(place).ok());
  }
  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }
  void write(std::uint64_t at, const std::vector<std::byte>& data) {
    const auto done = run(container->write(file, at, memory::Memory::for_write(data.data(), data.size())));
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  std::vector<std::byte> read(std::uint64_t at, std::size_t size) {
    std::vector<std::byte> data(size);
    const auto got = run(container->read(file, at, memory::Memory(data)));
    EXPECT_TRUE(got.has_value());
    data.resize(got.value_or(0));
    return data;
  }
  bool lend(std::uint64_t at, std::size_t size, fs::Loan& loan) {
    const auto lent = run(container->lend(file, at, size, loan));
    EXPECT_TRUE(lent.has_value()) << lent.error().message();
    return lent.value_or(false);
  }
  static std::vector<std::byte> bytes_of(const fs::Loan& loan) {
    std::vector<std::byte> data(loan.memory().size_bytes());
    loan.memory().copy_out(0, data);
    return data;
  }
  std::vector<std::byte> random_bytes(std::size_t size) {
    std::vector<std::byte> data(size);
    for (std::byte& byte : data) byte = static_cast<std::byte>(random.below(256));
    return data;
  }

  TestDirectory directory;
  const std::filesystem::path place = directory / "pool";
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  std::unique_ptr<Pool> pool;
  std::unique_ptr<fs::FileSystem> container;
  fs::FileId file;
  Random random{3};
};

TEST_F(LendTest, IsWhatAReadGives) {
  open_pool(DeviceKind::kRam);
  for (int i = 0; i < 60; ++i) write(random.below(1'000'000), random_bytes(1 + random.below(30'000)));
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t at = random.below(1'100'000);
    const std::size_t size = 1 + random.below(200'000);
    fs::Loan loan;
    ASSERT_TRUE(lend(at, size, loan));
    EXPECT_EQ(bytes_of(loan), read(at, size)) << at << " " << size;
  }
}

TEST_F(LendTest, StaysAsItWasWhileTheFileIsWrittenAnew) {
  open_pool(DeviceKind::kRam);
  constexpr std::size_t kBytes = 1 << 20;
  const std::vector<std::byte> first = random_bytes(kBytes);
  write(0, first);
  fs::Loan loan;
  ASSERT_TRUE(lend(0, kBytes, loan));
  for (int round = 0; round < 6; ++round) {
    write(0, random_bytes(kBytes));
    ASSERT_TRUE(pool->sync().ok());
    ASSERT_EQ(bytes_of(loan), first) << round;
  }
  loan.give_back();
  // More than the pool has room for: what was lent is used again.
  for (int round = 0; round < 30; ++round) {
    write(0, random_bytes(kBytes));
    ASSERT_TRUE(pool->sync().ok());
  }
}

TEST_F(LendTest, DevicesThatAreNoMemoryDoNotLend) {
  open_pool(DeviceKind::kFile);
  write(0, random_bytes(10'000));
  fs::Loan loan;
  EXPECT_FALSE(lend(0, 10'000, loan));
  EXPECT_FALSE(loan.lent());
}

}  // namespace
}  // namespace ross::engine
