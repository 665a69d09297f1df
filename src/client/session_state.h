// SessionState: what the lanes of a session have in common.
//
// Threading: any thread; members say what guards them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "client/holdings.h"
#include "client/reaching.h"
#include "client/recovery.h"
#include "client/slots.h"
#include "fabric/endpoint.h"
#include "wire/message.h"

namespace ross::client {

struct SessionState : std::enable_shared_from_this<SessionState> {
  // constant while lanes are there
  std::unique_ptr<fabric::Domain> domain;
  pid_t pid = 0;                       // this process's: a child of fork() is another
  std::unique_ptr<Recovery> recovery;  // null: a connection that ends takes its calls along
  bool relays = false;                 // Session::relay
  std::unique_ptr<Reaching> reaching;  // null: data goes by the server that is asked

  std::atomic<pid_t> server_pid = 0;
  std::atomic<bool> ended = false;
  std::atomic<bool> silent = false;        // ended, and nothing is sent any more
  std::atomic<bool> reclaiming = false;    // who is spoken for has not all again that it held
  std::atomic<std::uint64_t> next_id = 1;  // of requests, growing in every slot
  SlotNumbers slots;
  Holdings holdings;
  // What is read need not be checked here: the engine puts it into our memory itself, and looks at it before (decisions/0014).
  std::atomic<bool> server_checks = false;
  // Bytes of reads and writes that went past the agent, and the others.
  std::atomic<std::uint64_t> moved_directly = 0;
  std::atomic<std::uint64_t> moved_by_server = 0;

  [[nodiscard]] Place place() {
    const std::lock_guard lock(mutex);
    return current;
  }
  void move_to(Place place) {
    const std::lock_guard lock(mutex);
    current = std::move(place);
  }
  // Where data goes, as the last lane found that tried.
  [[nodiscard]] Placed placed() {
    const std::lock_guard lock(mutex);
    return current_placed;
  }
  // False: that is known already.
  bool place_data(Placed placed) {
    const std::lock_guard lock(mutex);
    if (placed == current_placed) return false;
    current_placed = std::move(placed);
    return true;
  }

 private:
  std::mutex mutex;
  Place current;          // guarded by mutex
  Placed current_placed;  // guarded by mutex
};

}  // namespace ross::client
