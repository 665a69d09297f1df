// Goal: whatever is done to a file, its bytes are those of an array to which the same was done.
// Method: seeded random writes, truncations, punches, zeroings, allocations and syncs at aligned and odd places.
#include <algorithm>
#include <cstring>

#include "conformance/file_system/harness.h"
#include "effort.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Shadow);

constexpr std::uint64_t kSpan = 300'000;

struct Range {
  std::uint64_t begin;
  std::uint64_t size;
};

Range pick(Random& random) {
  std::uint64_t begin = random.below(kSpan);
  std::uint64_t size = 1 + random.below(random.chance(1, 2) ? 5'000 : 60'000);
  if (random.chance(1, 2)) begin = round_down(begin, 4096);
  if (random.chance(1, 2)) size = round_up(size, 4096);
  return {begin, size};
}

void zero(std::string& shadow, Range range) {
  const std::uint64_t end = std::min<std::uint64_t>(range.begin + range.size, shadow.size());
  if (range.begin < end) std::memset(shadow.data() + range.begin, 0, end - range.begin);
}

void grow(std::string& shadow, Range range) {
  shadow.resize(std::max<std::uint64_t>(shadow.size(), range.begin + range.size));
}

// Where two texts first differ, for the message.
std::string first_difference(const std::string& found, const std::string& expected) {
  if (found.size() != expected.size()) {
    return "size " + std::to_string(found.size()) + " instead of " + std::to_string(expected.size());
  }
  if (found == expected) return "";
  const auto odd = std::mismatch(found.begin(), found.end(), expected.begin());
  return "byte " + std::to_string(odd.first - found.begin()) + " is " + std::to_string(int{*odd.first}) +
         " instead of " + std::to_string(int{*odd.second});
}

TEST_P(Shadow, RandomChanges) {
  for (std::uint64_t seed = 1; seed <= repeats(8); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const fs::NodeId node = make_file("file" + std::to_string(seed));
    const fs::FileId file = open(node);
    const fs::FileId appender = open(node, {.write = true, .append = true});
    std::string shadow;
    for (std::uint64_t step = 0; step < 250; ++step) {
      const Range range = pick(random);
      const std::string text = pattern(seed * 1000 + step, range.size);
      switch (random.below(10)) {
        case 0:
          ASSERT_EQ(error(fs().setattr(kRoot, node, {.size_bytes = range.begin}, file)), 0);
          shadow.resize(range.begin);
          break;
        case 1:
          ASSERT_EQ(error(fs().fallocate(file, fs::Fallocate::kPunchHole, range.begin, range.size)), 0);
          zero(shadow, range);
          break;
        case 2:
          ASSERT_EQ(error(fs().fallocate(file, fs::Fallocate::kZeroRange, range.begin, range.size)), 0);
          zero(shadow, range);
          grow(shadow, range);
          break;
        case 3:
          if (random.chance(1, 2)) {
            ASSERT_EQ(error(fs().fallocate(file, fs::Fallocate::kAllocate, range.begin, range.size)), 0);
            grow(shadow, range);
          } else {
            ASSERT_EQ(error(fs().fallocate(file, fs::Fallocate::kAllocateKeepSize, range.begin, range.size)), 0);
          }
          break;
        case 4:
          if (shadow.size() > 2 * kSpan) break;
          ASSERT_EQ(write(appender, 0, text), 0);
          shadow += text;
          break;
        case 5:
          ASSERT_EQ(random.chance(1, 4) ? error(fs().sync()) : error(fs().fsync(file, true)), 0);
          break;
        default:
          ASSERT_EQ(write(file, range.begin, text), 0);
          grow(shadow, range);
          shadow.replace(range.begin, range.size, text);
      }
      const Range look = pick(random);
      const std::string expected = look.begin < shadow.size() ? shadow.substr(look.begin, look.size) : "";
      ASSERT_EQ(first_difference(read(file, look.begin, look.size), expected), "")
          << "step " << step << " at " << look.begin;
    }
    ASSERT_EQ(attr(node).size_bytes, shadow.size());
    ASSERT_EQ(first_difference(read(file, 0, shadow.size()), shadow), "");
    if (can().restarts) {
      restart();
      ASSERT_EQ(first_difference(content(node_at("file" + std::to_string(seed))), shadow), "") << "after a restart";
    }
  }
}

}  // namespace
}  // namespace ross::conformance
