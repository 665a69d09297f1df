// Channel: one peer: messages in order, and one-sided transfers between our memory and the peer's windows.
//
// A message is a head (what is asked or answered) and a payload that travels beside it: the receiver is shown the head
// first and says where the payload shall land. Bulk data goes by put() and get(), which the peer's program takes no part
// in: it has exposed a window (endpoint.h) and told us its key in a message.
//
//   channel->start(receiver);
//   channel->put(transfer);               // transfer.done(error) exactly once, later, on the loop
//   channel->send(outgoing);              // delivered behind the put's data; outgoing.sent(ok) exactly once, later
//   channel->close();                     // receiver.on_closed(why) exactly once, later, on the loop
//
// Order: messages arrive in the order they were sent. A message arrives after the data of every put() that was begun
// before it on the same channel. Nothing orders transfers among each other.
// Ownership: the channel borrows an Outgoing, its head and its payload from send() until sent(), a Transfer and its memory
// from put() or get() until done(), the receiver and the memory it gave until on_closed(). A channel is destroyed in
// or after on_closed(), or before start(). After on_closed() nothing of ours is read or written through it any more.
// Errors: a channel that fails ends; what it still held is told so, then on_closed(). A transfer that the peer's window
// refuses (wrong key, wrong direction, out of range, revoked) ends the channel, too. A peer whose process ends closes
// the channel where Traits::notices_death says so; a peer that is cut off is noticed by who waits for its answer.
// Limits: heads and payloads up to the ChannelLimits of both ends; a message beyond ours is a bug, one beyond the peer's
// ends the channel. What is queued is the caller's to bound. Threading: owner thread (the loop's).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "memory/memory.h"

namespace ross::fabric {

class Region;
struct Window;

struct ChannelLimits {
  std::size_t head_bytes_max;
  std::size_t payload_bytes_max;
};

// A message to send.
struct Outgoing {
  std::vector<std::byte> head;
  memory::Memory payload;
  // Called once: head and payload are no longer needed (true), or the channel ended before (false).
  void (*sent)(Outgoing& self, bool ok) = nullptr;
  Outgoing* next = nullptr;           // the channel's
  std::uint32_t lengths[2] = {0, 0};  // the channel's
};

// Bytes to move between our memory and a window of the peer, all of local.
struct Transfer {
  memory::Memory local;
  const Region* region = nullptr;  // where all of local is registered; may be null (Traits::wants_regions)
  const Window* window = nullptr;  // as the peer told it; needed until done()
  std::uint64_t offset_bytes = 0;  // in the window
  // Called once with 0 or a positive errno: after put() local may be used again, after get() it holds the data.
  void (*done)(Transfer& self, int error) = nullptr;
  Transfer* next = nullptr;         // the channel's
  std::uint64_t words[2] = {0, 0};  // the channel's
};

class Receiver {
 public:
  // A message has begun. Returns exactly payload_bytes of memory for its payload, or an error that ends the channel.
  virtual Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) = 0;
  // The payload of that message has landed (at once where there is none). An error ends the channel.
  virtual Status on_message() = 0;
  // The last call: nothing more comes, and every Outgoing and Transfer has been told.
  virtual void on_closed(const Status& why) = 0;

 protected:
  ~Receiver() = default;
};

// Who is at the other end, by the kernel's word; pid 0 where it cannot tell.
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

class Channel {
 public:
  virtual ~Channel() = default;
  [[nodiscard]] virtual const Peer& peer() const = 0;
  // Begins to receive. Until then what comes waits, in bounded room.
  virtual void start(Receiver& receiver) = 0;
  // Several messages queued before the loop goes on travel together.
  virtual void send(Outgoing& message) = 0;
  // Writes local to the peer's window.
  virtual void put(Transfer& transfer) = 0;
  // Reads the peer's window to local.
  virtual void get(Transfer& transfer) = 0;
  virtual void close() = 0;
};

}  // namespace ross::fabric
