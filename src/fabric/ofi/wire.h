// What travels between two endpoints of this backend, little-endian, beside libfabric's own headers.
//
// A channel's messages are one stream of bytes (two lengths of 32 bits, head, payload, and again), cut into pieces of at most
// kPieceBytes, so that many small messages share a piece and a large one takes several. Every piece begins with a
// PieceHeader. Pieces are numbered: libfabric reconnects by itself when a connection breaks and what was under way is then
// lost silently, which a gap in the numbers shows.
//
// Credits: each end grants kCredits pieces and says in every header how many it has taken out of its buffers. Pieces that
// need no credit (kCredit, kWelcome, kRefuse, kBye) are few by construction and have room of their own (kSpareRoom).
// A transfer is announced (kTransfers) and begins when the owner of its window agrees (kGrants); every header says which are
// over (floor). So the owner checks what no registration can, the window's life and who asks, and knows whether somebody is
// at a window when he revokes it. Going ahead unasked would save a turn and lose more: the rxm providers answer a refusal by
// breaking the connection, which all channels between two endpoints share, and shm answers not at all.
//
// Ending: kClosing asks the other end to end; kBye, when no transfer of ours is under way any more, is the last word.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ross::fabric::ofi {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

// The largest message that libfabric's rxm layer sends without asking the receiver first.
inline constexpr std::size_t kPieceBytes = 16384;
inline constexpr std::uint32_t kCredits = 32;
inline constexpr std::uint32_t kSpareRoom = 8;
inline constexpr std::size_t kFlightsMax = 64;  // transfers under way on a channel, one way
inline constexpr std::size_t kRawAddressBytesMax = 256;

enum class PieceKind : std::uint8_t {
  kHello = 1,  // to an endpoint: Introduction and address. Channel and secret are 0
  kWelcome,    // to the channel that said hello: Introduction
  kRefuse,     // to the channel that said hello: nobody is there for it
  kData,       // bytes of the stream, perhaps none
  kTransfers,  // TransferRecord times n
  kGrants,     // numbers of transfers that may begin
  kCredit,     // nothing but its header
  kClosing,    // this end has ended the channel, or was asked to; its transfers come to their end
  kBye,        // and have
};

struct PieceHeader {
  std::uint16_t magic = kMagic;
  std::uint8_t version = kVersion;
  PieceKind kind{};
  std::uint32_t channel = 0;   // the receiver's
  std::uint64_t secret = 0;    // the receiver's, for this channel
  std::uint32_t sequence = 0;  // of this channel's pieces, from 0
  std::uint32_t taken = 0;     // pieces with credit that this end has taken, all in all
  std::uint32_t floor = 0;     // transfers of this end with smaller numbers are over
  std::uint32_t body_bytes = 0;

  static constexpr std::uint16_t kMagic = 0x4f52;
  static constexpr std::uint8_t kVersion = 1;
};
static_assert(sizeof(PieceHeader) == 32);
inline constexpr std::size_t kBodyBytesMax = kPieceBytes - sizeof(PieceHeader);

struct Introduction {
  std::uint64_t secret = 0;  // that we want to see
  std::uint64_t head_bytes_max = 0;
  std::uint64_t payload_bytes_max = 0;
  std::uint32_t channel = 0;  // ours
  std::uint32_t credits = kCredits;
  std::uint32_t piece_bytes = kPieceBytes;
  std::uint32_t pid = 0;
  std::uint32_t address_bytes = 0;  // that follow
  std::uint32_t zero = 0;
};
static_assert(sizeof(Introduction) == 48);

// A window's key. Peers that were not given it have to guess rkey, where it is ours to choose.
struct WindowKey {
  std::uint8_t version = kVersion;
  std::uint8_t access = 0;
  std::uint16_t zero = 0;
  std::uint32_t only_for = 0;  // the owner's channel; 0: any
  std::uint64_t id = 0;        // the owner's name for the window
  std::uint64_t rkey = 0;
  std::uint64_t base = 0;  // where the window begins, as the provider counts
  std::uint64_t size_bytes = 0;
  std::uint64_t check = 0;  // over the rest: a key that was mangled on its way names nothing

  static constexpr std::uint8_t kVersion = 1;
};
static_assert(sizeof(WindowKey) == 48);

struct TransferRecord {
  std::uint32_t number = 0;
  std::uint32_t access = 0;
  std::uint64_t window = 0;
  std::uint64_t rkey = 0;
  std::uint64_t offset_bytes = 0;
  std::uint64_t size_bytes = 0;
};
static_assert(sizeof(TransferRecord) == 40);

inline bool needs_credit(PieceKind kind) {
  return kind == PieceKind::kData || kind == PieceKind::kTransfers || kind == PieceKind::kGrants;
}

// Serial numbers that wrap around: whether a comes before b.
inline bool before(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

template <class T>
std::optional<T> take(std::span<const std::byte>& bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  bytes = bytes.subspan(sizeof(T));
  return value;
}

// The header of bytes that came in, and bytes cut to the body; nothing when they are no piece of ours.
inline std::optional<PieceHeader> take_header(std::span<const std::byte>& bytes) {
  const auto header = take<PieceHeader>(bytes);
  if (!header || header->magic != PieceHeader::kMagic || header->version != PieceHeader::kVersion ||
      header->kind < PieceKind::kHello || header->kind > PieceKind::kBye || header->body_bytes != bytes.size()) {
    return std::nullopt;
  }
  return header;
}

// Against accidents, not against forgers: those have to guess rkey.
inline std::uint64_t check_of(WindowKey key) {
  key.check = 0;
  std::uint64_t words[sizeof key / 8];
  std::memcpy(words, &key, sizeof key);
  std::uint64_t sum = 0x9e3779b97f4a7c15;
  for (const std::uint64_t word : words) {
    sum = (sum ^ word) * 0xbf58476d1ce4e5b9;
    sum ^= sum >> 29;
  }
  return sum;
}

inline std::string encode(WindowKey key) {
  key.check = check_of(key);
  return {reinterpret_cast<const char*>(&key), sizeof key};
}
inline std::optional<WindowKey> decode_key(std::string_view bytes) {
  WindowKey key;
  if (bytes.size() != sizeof key) return std::nullopt;
  std::memcpy(&key, bytes.data(), sizeof key);
  if (key.version != WindowKey::kVersion || key.access > 1 || key.zero != 0 || key.check != check_of(key))
    return std::nullopt;
  return key;
}

}  // namespace ross::fabric::ofi
