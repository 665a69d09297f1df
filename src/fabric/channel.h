// Channel: messages to and from one peer, in order, on one loop.
//
// A message is a head (what is asked or answered) and a payload that travels beside it: the receiver is shown the head
// first and says where the payload shall land, so bulk data is not copied in between. A later backend moves the payload
// by one-sided transfers from and to registered memory; the shape of this interface is made for that.
//
//   channel->start(receiver);
//   channel->send(outgoing);              // outgoing.sent(ok) exactly once, later, on the loop
//   channel->close();                     // receiver.on_closed(why) exactly once, later, on the loop
//
// Ownership: the channel borrows an Outgoing, its head and its payload from send() until sent(); it borrows the receiver
// and the memory it gave until on_closed(). A channel is destroyed in or after on_closed(), or before start().
// Limits: heads and payloads up to the ChannelLimits it was made with, both ways.
// Threading: owner thread (the loop's).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "memory/memory.h"

namespace ross::fabric {

struct ChannelLimits {
  std::size_t head_bytes_max;
  std::size_t payload_bytes_max;
};

// A message to send.
struct Outgoing {
  std::vector<std::byte> head;
  memory::Memory payload;
  // Called once: the bytes are on their way, or (ok = false) the channel ended before.
  void (*sent)(Outgoing& self, bool ok) = nullptr;
  Outgoing* next = nullptr;           // the channel's
  std::uint32_t lengths[2] = {0, 0};  // the channel's
};

class Receiver {
 public:
  // A message has begun. Returns exactly payload_bytes of memory for its payload, or an error that ends the channel.
  virtual Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) = 0;
  // The payload of that message has landed (at once where there is none). An error ends the channel.
  virtual Status on_message() = 0;
  // The last call: nothing more comes, and every Outgoing has been sent() with ok or not.
  virtual void on_closed(const Status& why) = 0;

 protected:
  ~Receiver() = default;
};

// Who is at the other end, by the kernel's word.
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
  virtual void start(Receiver& receiver) = 0;
  // Several messages queued before the loop goes on travel together.
  virtual void send(Outgoing& message) = 0;
  virtual void close() = 0;
};

}  // namespace ross::fabric
