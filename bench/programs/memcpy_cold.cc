// memcpy_cold: how fast one core copies 1 MiB pieces from memory that no cache holds.
//
// It is what the best possible read of a memory device costs: fio at depth 16 reads into 16 buffers in turn, so the
// destination here is a ring of 16 pieces, of ordinary pages as fio's buffers are; the source has huge pages, is larger
// than any cache, and is walked in a scattered order.
// Prints {"bytes": N, "seconds": S} as JSON.
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "apps/options/options.h"
#include "measure.h"

namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
constexpr std::size_t kRing = 16;

enum class Pages : bool { kSmall, kHuge };

std::byte* map_memory(std::size_t bytes, Pages pages) {
  void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) ross::bench::give_up("mapping memory", std::strerror(errno));
  if (pages == Pages::kHuge) madvise(data, bytes, MADV_HUGEPAGE);
  std::memset(data, 0x5a, bytes);  // else every page is the one page of zeros, and hot
  return static_cast<std::byte*>(data);
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t source_mib = 2048;
  double seconds_wanted = 3;
  ross::apps::Options line("Copies 1 MiB pieces from cold memory", "memcpy_cold");
  line.option("--source-mib", source_mib, "Size of the source").between(1024, 65536);
  line.option("--seconds", seconds_wanted, "How long to copy").between(0.1, 60.0);
  if (const auto ended = line.parse(argc, argv)) return *ended;

  std::byte* const source = map_memory(source_mib * kPieceBytes, Pages::kHuge);
  std::byte* const ring = map_memory(kRing * kPieceBytes, Pages::kSmall);
  std::vector<std::size_t> order(source_mib);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));

  std::size_t pieces = 0;
  unsigned seen = 0;  // uses every copy, so that none is left out
  const ross::bench::Watch watch;
  double seconds = 0;
  while (seconds < seconds_wanted) {
    for (std::size_t i = 0; i < kRing; ++i, ++pieces) {
      std::byte* const to = ring + i * kPieceBytes;
      std::memcpy(to, source + order[pieces % order.size()] * kPieceBytes, kPieceBytes);
      seen += std::to_integer<unsigned>(to[pieces % kPieceBytes]);
    }
    seconds = watch.seconds();
  }
  if (seen == 0) ross::bench::give_up("copying", "nothing arrived");
  fmt::print("{{\"bytes\": {}, \"seconds\": {:.6f}}}\n", pieces * kPieceBytes, seconds);
  return 0;
}
