// Goal: what a ring's reader finds behind a published position is what its writer wrote, and a writer writes nowhere that its
// reader still reads, on processors that reorder and not only on those that do not.
// Method: two threads at the two ends of small rings, each record carrying what follows from its number alone. They share one
// mapping, so that the thread sanitizer sees both ends at the same addresses: it tells of a store or load of the
// positions that orders too little, whichever processor the test runs on.
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/machine.h"
#include "base/random.h"
#include "base/units.h"
#include "fabric/shm/ring.h"
#include "fabric/shm/shared_memory.h"

namespace ross::fabric::shm {
namespace {

constexpr std::uint64_t kRecords = 20'000;  // each ring goes round hundreds of times
constexpr std::size_t kChunkMax = 3000;

// The sizes of all records, the same for both ends.
class Sizes {
 public:
  RecordPrefix next() {
    const auto head = static_cast<std::uint32_t>(8 + random_.below(40));
    // Mostly small, so that records are many; some large, so that the ring is full.
    const std::uint64_t chunk = random_.below(random_.chance(1, 8) ? kChunkMax : 64);
    return {
        .kind = Kind::kMore, .head_bytes = head, .chunk_bytes = static_cast<std::uint32_t>(chunk), .payload_bytes = 0};
  }

 private:
  Random random_{7};
};

std::byte content(std::uint64_t record, std::size_t at) { return static_cast<std::byte>(record * 31 + at * 7 + 1); }

bool holds(const std::byte* at, std::size_t size_bytes, std::uint64_t record) {
  for (std::size_t i = 0; i < size_bytes; ++i) {
    if (at[i] != content(record, i)) return false;
  }
  return true;
}

class Patience {
 public:
  static constexpr std::int64_t kNs = 60'000'000'000;
  // True while there is some left; lets the other end go on.
  bool wait() {
    ::sched_yield();
    return system_clock().monotonic_ns() < until_ns_;
  }

 private:
  const std::int64_t until_ns_ = system_clock().monotonic_ns() + kNs;
};

void write_all(std::byte* inbox, std::size_t ring_bytes, std::atomic<bool>& failed) {
  RingWriter writer(inbox, ring_bytes);
  Sizes sizes;
  Random bursts(11);
  Patience patience;
  std::vector<std::byte> head;
  for (std::uint64_t record = 0; record < kRecords && !failed; ++record) {
    const RecordPrefix prefix = sizes.next();
    head.clear();
    for (std::size_t i = 0; i < prefix.head_bytes; ++i) head.push_back(content(record, i));
    for (;;) {
      const auto room = writer.has_room(record_bytes(prefix.head_bytes, prefix.chunk_bytes));
      if (!room.has_value()) failed = true;
      if (failed || *room) break;
      writer.publish();
      if (!patience.wait()) failed = true;
    }
    if (failed) break;
    std::byte* const chunk = writer.begin(prefix, head);
    for (std::size_t i = 0; i < prefix.chunk_bytes; ++i) chunk[i] = content(record, i);
    if (bursts.chance(1, 4)) writer.publish();
  }
  writer.publish();
}

// The number of records that arrived whole, up to the first that did not.
std::uint64_t read_all(std::byte* inbox, std::size_t ring_bytes, std::atomic<bool>& failed) {
  RingReader reader(inbox, ring_bytes);
  Sizes sizes;
  Patience patience;
  std::uint64_t record = 0;
  while (record < kRecords && !failed) {
    if (!reader.refresh()) break;
    if (reader.available() == 0) {
      if (!patience.wait()) break;
      continue;
    }
    const RecordPrefix expected = sizes.next();
    const std::size_t size = record_bytes(expected.head_bytes, expected.chunk_bytes);
    RecordPrefix prefix{};
    std::memcpy(&prefix, reader.front(), sizeof prefix);
    const std::byte* const head = reader.front() + sizeof prefix;
    if (size > reader.available() || std::memcmp(&prefix, &expected, sizeof prefix) != 0 ||
        !holds(head, prefix.head_bytes, record) ||
        !holds(head + record_pad(prefix.head_bytes), prefix.chunk_bytes, record)) {
      break;
    }
    reader.consume(size);
    ++record;
  }
  failed = failed || record < kRecords;  // the writer need not wait for us any more
  return record;
}

TEST(RingOrder, EveryRecordArrivesWholeAndIsLeftAloneUntilItIsConsumed) {
  for (const std::size_t smallest : {kRingBytesMin, std::size_t{256} << 10}) {
    const std::size_t ring_bytes = std::max(smallest, page_bytes());
    const SharedMemory inbox = *SharedMemory::create(kInboxHeaderBytes + ring_bytes, SharedMemory::Shape::kRing);
    std::atomic<bool> failed = false;
    std::thread writer([&] { write_all(inbox.data(), ring_bytes, failed); });
    EXPECT_EQ(read_all(inbox.data(), ring_bytes, failed), kRecords);
    writer.join();
    EXPECT_FALSE(failed);
  }
}

}  // namespace
}  // namespace ross::fabric::shm
