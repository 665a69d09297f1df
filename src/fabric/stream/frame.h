// What goes over a stream, to the byte: a preamble each way, then frames.
//
//   preamble  32 bytes: magic, version, error, limits. Magic and version stand there in every version to come.
//   frame     prefix (8 bytes), head, payload
//
//   kind      head                                    payload
//   message   the caller's, up to head_bytes_max      the caller's, up to payload_bytes_max
//   put       PutHead: offset, key                    what is written at offset
//   get       GetHead: offset, size, id, key          none
//   reply     ReplyHead: id                           the next bytes of what that get asked for
//   refusal   RefusalHead: error                      none; the last frame
//
// A large put travels as several put frames and a large answer as several replies, so that other frames come between.
// Integers are little-endian. Threading: immutable.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "fabric/channel.h"

namespace ross::fabric::stream {

static_assert(std::endian::native == std::endian::little, "the stream is little-endian: swap bytes here");

enum class Kind : std::uint8_t { kMessage = 0, kPut = 1, kGet = 2, kReply = 3, kRefusal = 4 };

// The first word holds the kind above 24 bits of head length, so that a message's prefix is its two lengths.
struct Prefix {
  std::uint32_t kind_and_head_bytes = 0;
  std::uint32_t payload_bytes = 0;

  [[nodiscard]] std::uint32_t kind() const { return kind_and_head_bytes >> 24; }
  [[nodiscard]] std::uint32_t head_bytes() const { return kind_and_head_bytes & kHeadBytesMax; }
  static constexpr std::uint32_t kHeadBytesMax = (1U << 24) - 1;
};
static_assert(sizeof(Prefix) == 8);

constexpr Prefix make_prefix(Kind kind, std::size_t head_bytes, std::size_t payload_bytes) {
  return {static_cast<std::uint32_t>(kind) << 24 | static_cast<std::uint32_t>(head_bytes),
          static_cast<std::uint32_t>(payload_bytes)};
}

// The name of a window: where it stands in the table, and the secret that must be known to use it.
struct Key {
  std::uint32_t slot = 0;
  std::array<std::uint32_t, 4> secret{};
};
static_assert(sizeof(Key) == 20);

struct PutHead {
  std::uint32_t offset_bytes[2] = {0, 0};  // low, high
  Key key;
};
static_assert(sizeof(PutHead) == 28);

struct GetHead {
  std::uint32_t offset_bytes[2] = {0, 0};
  std::uint32_t size_bytes[2] = {0, 0};
  std::uint32_t id = 0;
  Key key;
};
static_assert(sizeof(GetHead) == 40);

struct ReplyHead {
  std::uint32_t id = 0;
};

struct RefusalHead {
  std::uint32_t error = 0;  // an errno value
};

inline constexpr std::size_t kOwnHeadBytesMax = sizeof(GetHead);

constexpr void put_u64(std::uint32_t (&words)[2], std::uint64_t value) {
  words[0] = static_cast<std::uint32_t>(value);
  words[1] = static_cast<std::uint32_t>(value >> 32);
}
constexpr std::uint64_t get_u64(const std::uint32_t (&words)[2]) {
  return static_cast<std::uint64_t>(words[1]) << 32 | words[0];
}

// A fixed structure out of bytes that are long enough.
template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline constexpr std::array<char, 8> kMagic = {'R', 'O', 'S', 'S', '\r', '\n', '\x1a', 'f'};
inline constexpr std::uint32_t kVersion = 1;

struct Preamble {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t error = 0;  // an errno value: why there will be no channel; 0: what follows are frames
  std::uint32_t head_bytes_max = 0;
  std::uint32_t payload_bytes_max = 0;
  std::uint32_t gets_max = 0;  // how many gets the sender answers at once; more break the rules
  std::uint32_t reserved = 0;
};
static_assert(sizeof(Preamble) == 32);

// How many gets of a peer a channel holds, and how many of ours are on the way at most: at 1 MiB each this is far more
// than any socket takes, and a table of them stays small.
inline constexpr std::uint32_t kGetsMax = 1024;

inline Preamble make_preamble(const ChannelLimits& limits, std::uint32_t error = 0) {
  constexpr std::size_t kWordMax = std::numeric_limits<std::uint32_t>::max();
  return {.error = error,
          .head_bytes_max = static_cast<std::uint32_t>(limits.head_bytes_max),
          .payload_bytes_max =
              static_cast<std::uint32_t>(limits.payload_bytes_max < kWordMax ? limits.payload_bytes_max : kWordMax),
          .gets_max = kGetsMax};
}

}  // namespace ross::fabric::stream
