// Goal: copy_bytes() moves exactly the bytes it was told, at every alignment of both sides and every size around its steps.
// Method: patterned source, a target with a guard on each side, compared byte by byte.
#include "memory/copy_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace ross::memory {
namespace {

TEST(CopyBytes, MovesExactlyWhatItWasToldAtEveryAlignment) {
  constexpr std::size_t kGuard = 64;
  constexpr std::size_t kSizeMax = 8192 + 100;
  std::vector<std::byte> source(kSizeMax + 128);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i * 7 + (i >> 8));
  std::vector<std::byte> target(kSizeMax + 128 + 2 * kGuard);
  for (const std::size_t size : {0, 1, 511, 512, 1023, 1024, 1025, 1536, 2047, 2048, 4096, 4097, 8192, 8291}) {
    for (const std::size_t from : {0, 1, 16, 63}) {
      for (const std::size_t to : {0, 1, 15, 16, 32, 63}) {
        std::fill(target.begin(), target.end(), std::byte{0xee});
        copy_bytes(target.data() + kGuard + to, source.data() + from, size);
        const auto begin = target.begin() + static_cast<std::ptrdiff_t>(kGuard + to);
        const auto end = begin + static_cast<std::ptrdiff_t>(size);
        const auto is_guard = [](std::byte b) { return b == std::byte{0xee}; };
        ASSERT_TRUE(std::equal(begin, end, source.begin() + static_cast<std::ptrdiff_t>(from)))
            << size << " bytes from " << from << " to " << to;
        ASSERT_TRUE(std::all_of(target.begin(), begin, is_guard) && std::all_of(end, target.end(), is_guard))
            << size << " bytes from " << from << " to " << to;
      }
    }
  }
}

TEST(CopyBytes, NothingMayBeCopiedFromNowhere) { copy_bytes(nullptr, nullptr, 0); }

}  // namespace
}  // namespace ross::memory
