// Call: one request on its way, in the frame of the coroutine that made it; Answer: what came back.
//
// Threading: owner thread (that of the loop it was made on).
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "client/holdings.h"
#include "fabric/endpoint.h"
#include "memory/memory.h"
#include "wire/message.h"

namespace ross::client {

// A reply that was no error.
struct Answer {
  std::uint64_t value = 0;
  std::uint64_t payload_bytes = 0;  // landed in the caller's memory, by a message or a window
  bool created = false;
  bool has_attr = false;
  wire::Attr attr{};
  std::string text;
};

class Lane;

struct Call : fabric::Outgoing {
  // data goes with the request; the reply's lands in into. Both live until the call is answered.
  Call(const wire::Request& request, memory::Memory data, memory::Memory into);

  Lane* lane = nullptr;
  memory::Memory data;
  memory::Memory into;
  std::vector<fabric::Window> windows;   // onto into or data, from when it is sent until it is answered
  std::unique_ptr<Holdings::Note> note;  // of a call whose answer changes what the session holds
  std::uint64_t id = 0;                  // from when it is sent first
  std::size_t head_bytes = 0;            // without the windows
  std::uint64_t bytes = 0;               // what it counts against the bytes in flight
  std::uint16_t slot = 0;                // of a change, from when it is sent first
  bool change = false;                   // has a slot, if patient
  bool named = false;                    // id and slot are those of whom an agent speaks for
  bool lock_wait = false;                // not counted as in flight: it may take as long as it likes
  bool patient = true;                   // is made again when the connection is lost
  bool urgent = false;                   // waits neither for room nor for others: the last of its session
  bool resent = false;                   // was
  std::uint64_t ticket = 0;              // of its data on the channel past the agent, while its windows are for that
  bool passes = false;                   // with windows of somebody else's
  bool staged = false;                   // its data does not go that way (any more)
  bool replied = false;                  // it waits for the word that its data has landed
  bool landed = false;                   // that has come
  bool cut = false;                      // that will not come: the channel has ended
  bool again = false;                    // answered, and to be sent again as soon as it has gone out
  bool gone_out = false;                 // the channel is done with it
  bool answered = false;
  Status status;
  Answer answer;
  Call* behind = nullptr;  // in the lane's line
  std::coroutine_handle<> handle;
};

}  // namespace ross::client
