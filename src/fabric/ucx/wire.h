// What travels in UCX's active messages.
//
// A frame is one active message: its header is a FrameHeader, its data is either several items one behind the other
// (kItems), or the payload of the one item that follows the FrameHeader in the header (kBulk: UCX moves the data from
// memory to memory, and shows the receiver the header first).
//
// Messages of a channel are numbered, and so are its puts; a frame says the numbers its first ones have, and the order in
// it says which puts a message is behind. Each frame also says how many of either the sender of the frame has received,
// which gives the other end room to send more, and tells it that its puts have landed.
// All numbers are little-endian, and unaligned. Threading: immutable.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ross::fabric::ucx {

static_assert(std::endian::native == std::endian::little, "the structs below are sent as they are");

inline constexpr unsigned kActiveMessage = 1;                   // the one id of ours
inline constexpr std::uint64_t kMagic = 0x3178'6375'7373'6f72;  // "rossucx1"
inline constexpr std::uint32_t kVersion = 1;

// Messages, and puts, that are sent and not yet known to have been received; of each so many. As many gets wait for data.
inline constexpr std::uint32_t kWindow = 256;
inline constexpr std::uint32_t kGetsMax = 256;

enum class Frame : std::uint8_t { kHello = 1, kWelcome, kItems, kBulk };

struct FrameHeader {
  std::uint64_t channel = 0;  // as the receiver named it, a random number; 0 in a kHello
  std::uint32_t first_message = 0;
  std::uint32_t first_put = 0;
  std::uint32_t messages_received = 0;
  std::uint32_t puts_received = 0;
  Frame frame = Frame::kItems;
  std::uint8_t zero[7] = {};
};
static_assert(sizeof(FrameHeader) == 32);

// The data of kHello and kWelcome.
struct Hello {
  std::uint64_t magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t zero = 0;
  std::uint64_t channel = 0;  // how frames to the sender name the channel
  std::uint64_t head_bytes_max = 0;
  std::uint64_t payload_bytes_max = 0;
};
static_assert(sizeof(Hello) == 40);

enum class Item : std::uint8_t {
  kMessage = 1,  // numbered; extra: the head
  kBody,         // numbered; bulk only: the payload of the message before, whose head was too long for a bulk's header
  kBye,          // numbered; the channel ends behind what came before
  kPut,          // numbered with the puts; extra: a Place
  kGet,          // extra: a GetRequest; no payload
  kGot,          // extra: a GetAnswer
  kAbort,        // the channel ends now; extra: an errno of 32 bits
};

struct ItemHeader {
  Item item = Item::kMessage;
  std::uint8_t payload_follows = 0;  // kMessage: as a kBody
  std::uint16_t zero = 0;
  std::uint32_t extra_bytes = 0;    // right behind
  std::uint64_t payload_bytes = 0;  // then these, unless they follow or it is a bulk
};
static_assert(sizeof(ItemHeader) == 16);

using Key = std::array<std::byte, 16>;

struct Place {
  Key key{};
  std::uint64_t offset_bytes = 0;
};
struct GetRequest {
  Place place;
  std::uint64_t size_bytes = 0;
  std::uint64_t request = 0;  // how the answer names it
};
struct GetAnswer {
  std::uint64_t request = 0;
};
static_assert(sizeof(Place) == 24 && sizeof(GetRequest) == 40);

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace ross::fabric::ucx
