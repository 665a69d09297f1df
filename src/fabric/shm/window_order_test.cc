// Goal: once a window is closed and no mark stands for it, its peer writes nothing into it any more, and the owner may use the
// memory for something else: what Endpoint::revoke() promises (window_table.h says how).
// Method: an owner that opens many windows, closes one after the other and then writes its own bytes without any further word, and
// a peer that copies into them in the opposite order, so that the two meet at some window each time; each in a thread. The
// peer goes through a mapping of its own, as peers do; and, as both stand in one process, by the address that the table
// tells, where the thread sanitizer sees both. A store that a processor lets pass a load behind it shows as bytes of the
// peer where the owner's must be.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/random.h"
#include "fabric/shm/peer_memory.h"
#include "fabric/shm/region.h"
#include "fabric/shm/window_table.h"

namespace ross::fabric::shm {
namespace {

constexpr std::uint32_t kRounds = 1000;
constexpr std::size_t kWindows = 64;
constexpr std::size_t kWindowBytes = 64;
constexpr std::int64_t kPatienceNs = 60'000'000'000;
constexpr std::byte kOwners{0x11};
constexpr std::byte kPeers{0x22};

// What the two threads have in common, as two processes have it: a table, an inbox, and windows told over the channel.
struct Common {
  WindowTable table = *WindowTable::create();
  SharedMemory inbox = *SharedMemory::create(kInboxHeaderBytes, SharedMemory::Shape::kPlain);
  std::unique_ptr<Region> region = *allocate_region(kWindows * kWindowBytes);
  std::array<Window, kWindows> windows;  // of the round that was told last
  std::atomic<std::uint32_t> told = 0;   // rounds begun
  std::atomic<std::uint32_t> tried = 0;  // rounds that the peer is through with
  std::atomic<bool> failed = false;

  [[nodiscard]] std::span<std::byte> memory(std::size_t window) const {
    return region->memory().subspan(window * kWindowBytes, kWindowBytes);
  }
  [[nodiscard]] const SharedRegion& shared() const { return *static_cast<const ShmRegion&>(*region).shared(); }
  InboxHeader& header() { return *reinterpret_cast<InboxHeader*>(inbox.data()); }
};

// Waits for a word of the other thread, busily for a moment: the two have to be there at the same time.
template <class Done>
bool wait_for(Common& common, Done&& done) {
  const std::int64_t until = system_clock().monotonic_ns() + kPatienceNs;
  for (int turn = 0; !done(); ++turn) {
    if (common.failed) return false;
    if (turn % 256 != 255) continue;
    ::sched_yield();
    if (system_clock().monotonic_ns() >= until) common.failed = true;
  }
  return true;
}

// Copies into every window it is told of, if the table still shows it open. Counts those.
void copy_into_windows(Common& common, bool mapped, std::uint32_t& copied, std::uint32_t& refused_ones) {
  const std::array<std::byte, 16> probe{std::byte{1}, std::byte{2}, std::byte{3}};
  const Hello hello{.magic = kMagic,
                    .version = kVersion,
                    .flags = kSharesWindows,
                    .ring_bytes = 0,
                    .link = 1,
                    .probe_address = reinterpret_cast<std::uintptr_t>(&probe),
                    .probe = probe};
  auto table = SharedMemory::adopt(Descriptor(::dup(common.table.fd())), {.size_bytes = kTableBytes});
  PeerMemory peer(&common.header(), *std::move(table), hello,
                  {.pid = ::getpid(), .uid = ::getuid(), .gid = 0, .groups = {}});
  if (mapped) {
    ROSS_CHECK(peer.add_region(common.shared().id, Descriptor(::dup(common.shared().memory.fd()))).ok());
  }
  Random random(3);
  for (std::uint32_t round = 1; round <= kRounds; ++round) {
    if (!wait_for(common, [&] { return common.told.load(std::memory_order_acquire) >= round; })) return;
    for (std::size_t i = kWindows; i-- > 0;) {
      const auto piece = peer.begin(0, common.windows[i], Access::kWrite, 0, kWindowBytes);
      if (!piece.has_value()) {
        ++refused_ones;
      } else if (!piece->out_of_reach) {
        if (random.chance(1, 256)) ::sched_yield();  // the owner has to wait
        std::byte* const to = mapped ? piece->mapped : reinterpret_cast<std::byte*>(piece->address);
        std::ranges::fill(std::span(to, kWindowBytes), kPeers);
        peer.unmark(0, 1);
        ++copied;
      }
    }
    common.tried.store(round, std::memory_order_release);
  }
}

// Closes a window and waits for its mark, as ShmChannel::revoked() does; then its memory is ours.
bool take_back(Common& common, std::size_t window) {
  const std::uint32_t index = common.table.index_of(common.windows[window]);
  common.table.close(index);
  const auto marked = [&] {
    return std::ranges::any_of(common.header().marks, [&](const auto& mark) { return mark.load() == index + 1; });
  };
  if (!wait_for(common, [&] { return !marked(); })) return false;
  std::ranges::fill(common.memory(window), kOwners);
  common.table.release(index);
  return true;
}

class WindowOrder : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(All, WindowOrder, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "mapped" : "by_address"; });

TEST_P(WindowOrder, AfterCloseAndTheMarksTheMemoryIsTheOwners) {
  const bool mapped = GetParam();
  Common common;
  const std::uint64_t region = mapped ? common.shared().id : 0;
  std::uint32_t copied = 0;
  std::uint32_t refused_ones = 0;
  std::thread peer([&] { copy_into_windows(common, mapped, copied, refused_ones); });
  Random random(5);
  std::size_t foreign = 0;
  for (std::uint32_t round = 1; round <= kRounds && !common.failed; ++round) {
    for (std::size_t i = 0; i < kWindows; ++i) {
      common.windows[i] =
          *common.table.open(common.memory(i), Access::kWrite, {.region = region, .region_offset = i * kWindowBytes});
    }
    common.told.store(round, std::memory_order_release);
    for (std::size_t i = 0; i < kWindows; ++i) {
      if (random.chance(1, 64)) ::sched_yield();  // the peer gets further, also where both have one core
      if (!take_back(common, i)) break;
    }
    if (!wait_for(common, [&] { return common.tried.load(std::memory_order_acquire) == round; })) break;
    for (std::size_t i = 0; i < kWindows; ++i)
      foreign += std::ranges::find(common.memory(i), kPeers) != common.memory(i).end();
  }
  peer.join();
  EXPECT_FALSE(common.failed) << "the other end did not answer in time";
  EXPECT_EQ(foreign, 0U) << "windows that the peer wrote into after they were revoked";
  if (copied == 0 && !mapped) GTEST_SKIP() << "this kernel lets no process reach into another";
  EXPECT_GT(copied, 0U) << "the peer was always late: nothing was tried";
  EXPECT_GT(refused_ones, 0U) << "the peer was never late: nothing was tried";
}

}  // namespace
}  // namespace ross::fabric::shm
