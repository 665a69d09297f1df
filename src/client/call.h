// Call: one request on its way, in the frame of the coroutine that made it; Answer: what came back.
//
// Threading: owner thread (that of the loop it was made on).
#pragma once

#include <coroutine>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
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
  Lane* lane = nullptr;
  memory::Memory into;
  std::vector<fabric::Window> windows;  // onto into or what was the payload, from when it is sent until it is answered
  std::uint64_t bytes = 0;              // what it counts against the bytes in flight
  bool lock_wait = false;               // not counted as in flight: it may take as long as it likes
  bool gone_out = false;                // the channel is done with it
  bool answered = false;
  Status status;
  Answer answer;
  Call* behind = nullptr;  // in the lane's line
  std::coroutine_handle<> handle;
};

}  // namespace ross::client
