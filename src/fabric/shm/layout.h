// What two processes share: the bytes in shared memory and in the greeting, sizes asserted.
//
// Each side makes one inbox: the ring it receives from and the words by which the other side learns about it. It makes one
// table of windows, too, which the other side maps to read. Everything here may be changed by the peer at any moment
// and to anything: it is read once, into memory of our own, and checked there.
//
// Threading: any thread; every word that both sides touch is atomic.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ross::fabric::shm {

// Two lines: the processor fetches them in pairs.
inline constexpr std::size_t kLineBytes = 128;
// A page of whichever kernel, so that the ring behind it can be mapped twice: on arm64 they have up to 64 KiB. What is not
// touched of it is not there.
inline constexpr std::size_t kInboxHeaderBytes = std::size_t{64} << 10;
inline constexpr std::size_t kRingBytesMin = std::size_t{16} << 10;
inline constexpr std::size_t kRingBytesMax = std::size_t{64} << 20;
// How many windows a side may be moving data in at one moment: the spans of one system call.
inline constexpr std::size_t kMarksMax = 16;

// What a sleeper wants to be woken for.
inline constexpr std::uint32_t kWantsData = 1;
inline constexpr std::uint32_t kWantsRoom = 2;  // in the other side's inbox

// "Owner" is the side that made the inbox and receives from it, "peer" the other one.
struct InboxHeader {
  // Of the peer: bytes written to the ring so far.
  alignas(kLineBytes) std::atomic<std::uint64_t> tail;
  // Of the owner: bytes taken from it and free again.
  alignas(kLineBytes) std::atomic<std::uint64_t> head;
  // Set by the owner before it sleeps, taken by the peer that wakes it.
  alignas(kLineBytes) std::atomic<std::uint32_t> sleeper_wants;
  // Set once by the owner: it has ended the channel, and its windows are closed to this peer.
  alignas(kLineBytes) std::atomic<std::uint32_t> ended;
  // Of the peer: the windows of the owner it is moving data in, as index + 1; 0: none.
  alignas(kLineBytes) std::array<std::atomic<std::uint32_t>, kMarksMax> marks;
};
static_assert(sizeof(InboxHeader) <= kInboxHeaderBytes);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "words in shared memory take no lock");

// One window in the table, written by its owner alone. state is 0 while it is not exposed.
struct alignas(64) WindowEntry {
  std::atomic<std::uint32_t> state;
  std::atomic<std::uint32_t> access;
  std::array<std::atomic<std::uint64_t>, 2> key;
  std::atomic<std::uint64_t> address;  // in the owner's process
  std::atomic<std::uint64_t> size_bytes;
  std::atomic<std::uint64_t> region;  // the id of the shared region that holds it; 0: none
  std::atomic<std::uint64_t> region_offset;
  std::atomic<std::uint64_t> only_for;  // the owner's number of a link; 0: whoever has the key
};
static_assert(sizeof(WindowEntry) == 64);

// The bytes of Window::key.
struct WindowKey {
  std::uint64_t index;
  std::array<std::uint64_t, 2> secret;
};
static_assert(sizeof(WindowKey) == 24);

// A record in the ring: this, then the head, then the chunk, each filled up to kRecordAlign.
inline constexpr std::size_t kRecordAlign = 16;
enum class Kind : std::uint32_t {
  kMessage = 1,  // a message begins: its head and the first chunk of payload_bytes
  kMore = 2,     // the next chunk of that payload
  kPut = 3,      // a TransferHead, and a chunk for the window
  kGet = 4,      // a TransferHead: answered with kData
  kData = 5,     // the next chunk for the oldest get that waits
  kPlaced = 6,   // the oldest put that waits is whole in its window
};
struct RecordPrefix {
  Kind kind;
  std::uint32_t head_bytes;
  std::uint32_t chunk_bytes;
  std::uint32_t payload_bytes;  // of a message: all of it
};
static_assert(sizeof(RecordPrefix) == kRecordAlign);

// A transfer that travels through the ring because the peer's memory is out of reach.
struct TransferHead {
  WindowKey key;
  std::uint64_t offset;
  std::uint64_t size_bytes;  // all that is left of it: of a put more than the piece that comes with this
};
static_assert(sizeof(TransferHead) == 40);

constexpr std::size_t record_pad(std::size_t size_bytes) {
  return (size_bytes + kRecordAlign - 1) & ~(kRecordAlign - 1);
}
constexpr std::size_t record_bytes(std::size_t head_bytes, std::size_t chunk_bytes) {
  return sizeof(RecordPrefix) + record_pad(head_bytes) + record_pad(chunk_bytes);
}

// The first bytes on the socket, either way, with the descriptors of the inbox and, where kSharesWindows, of the table.
inline constexpr std::uint64_t kMagic = 0x316d'6873'7373'6f72;
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::uint32_t kSharesWindows = 1;
struct Hello {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t flags;
  std::uint64_t ring_bytes;
  std::uint64_t link;           // the sender's number of this link, as in WindowEntry::only_for
  std::uint64_t probe_address;  // where probe lies in the sender's process
  std::array<std::byte, 16> probe;
};
static_assert(sizeof(Hello) == 56);

// What follows on the socket: single bytes that wake, and notes that come with the descriptor of a shared region.
inline constexpr std::byte kWakeByte{'w'};
inline constexpr std::byte kRegionByte{'R'};
struct RegionNote {
  std::byte tag;
  std::array<std::byte, 7> zero;
  std::uint64_t id;
};
static_assert(sizeof(RegionNote) == 16);

}  // namespace ross::fabric::shm
