// Goal: the model's file content is what an array of bytes would be, and its account of space is true.
// Method: seeded random operations next to a plain array.
#include "model/file_content.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace ross::model {
namespace {

constexpr std::uint64_t kSize = 64 * 1024;

class Shadowed {
 public:
  void write(std::uint64_t begin, std::uint64_t end, std::byte fill) {
    std::vector<std::byte> bytes(end - begin, fill);
    content.write(begin, memory::Memory(bytes.data(), bytes.size()));
    std::fill(shadow.begin() + static_cast<long>(begin), shadow.begin() + static_cast<long>(end), fill);
  }
  void zero(std::uint64_t begin, std::uint64_t end, bool keep_space) {
    content.zero(begin, end, keep_space);
    std::fill(shadow.begin() + static_cast<long>(begin), shadow.begin() + static_cast<long>(end), std::byte{0});
  }
  void cut(std::uint64_t size) {
    content.cut(size);
    std::fill(shadow.begin() + static_cast<long>(size), shadow.end(), std::byte{0});
  }
  [[nodiscard]] std::vector<std::byte> bytes() const {
    std::vector<std::byte> all(kSize, std::byte{0xee});
    content.read(0, kSize, memory::Memory(all.data(), all.size()));
    return all;
  }
  FileContent content;
  std::vector<std::byte> shadow = std::vector<std::byte>(kSize);
};

TEST(FileContent, IsAnArrayOfBytes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Shadowed file;
    for (int i = 0; i < 200; ++i) {
      std::uint64_t begin = random.below(kSize);
      std::uint64_t end = begin + 1 + random.below(kSize - begin);
      if (random.chance(1, 2)) begin &= ~4095ULL;
      if (random.chance(1, 2)) end = std::min<std::uint64_t>(kSize, (end + 4095) & ~4095ULL);
      switch (random.below(4)) {
        case 0:
          file.zero(begin, end, random.chance(1, 2));
          break;
        case 1:
          file.cut(begin);
          break;
        default:
          file.write(begin, end, static_cast<std::byte>(1 + random.below(255)));
      }
      ASSERT_EQ(file.bytes(), file.shadow) << "operation " << i;
      const std::uint64_t data = file.content.next_data(0).value_or(kSize);
      ASSERT_TRUE(std::all_of(file.shadow.begin(), file.shadow.begin() + static_cast<long>(data),
                              [](std::byte byte) { return byte == std::byte{0}; }));
      ASSERT_LE(file.content.next_hole(data) - data, file.content.allocated_bytes());
    }
  }
}

TEST(FileContent, CopiesDoNotSeeEachOther) {
  Shadowed file;
  file.write(0, 10'000, std::byte{1});
  const Shadowed before = file;
  file.write(5'000, 6'000, std::byte{2});
  file.zero(0, 100, false);
  EXPECT_EQ(before.bytes(), before.shadow);
  EXPECT_EQ(file.bytes(), file.shadow);
}

TEST(FileContent, SpaceIsCountedInWholePages) {
  FileContent content;
  EXPECT_EQ(content.bytes_to_take(4095, 4097), 2 * kPageBytes);
  content.reserve(4095, 4097);
  EXPECT_EQ(content.allocated_bytes(), 2 * kPageBytes);
  EXPECT_EQ(content.bytes_to_take(0, 3 * kPageBytes), kPageBytes);
  EXPECT_FALSE(content.next_data(0).has_value());
  content.zero(1, 2 * kPageBytes, false);  // the first page is only partly covered
  EXPECT_EQ(content.allocated_bytes(), kPageBytes);
  content.reserve(0, 1ULL << 44);
  EXPECT_EQ(content.allocated_bytes(), 1ULL << 44);
  content.cut(1);
  EXPECT_EQ(content.allocated_bytes(), kPageBytes);
}

}  // namespace
}  // namespace ross::model
