// Presence: that an endpoint of one machine is there, by the kernel's word.
//
// The shm provider tells neither who a peer is nor that it has died, and takes a name that is in use away from its owner. So each
// endpoint listens at an abstract Unix socket of its name while it lives: a second one of that name is refused, a peer's
// process and user are read off a connection to it, and the connection breaks when the endpoint goes, however it goes.
//
// Threading: owner thread.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "fabric/channel.h"
#include "fabric/local/socket.h"

namespace ross::fabric::ofi {

class Presence {
 public:
  // EADDRINUSE.
  static Result<Presence> announce(const std::string& name);
  // Takes in who looks, lets go of who has gone.
  void tend();

 private:
  static constexpr std::size_t kWatchersMax = 4096;
  Socket listening_;
  std::vector<Socket> watchers_;
};

// One peer, watched.
class Watch {
 public:
  Watch() = default;
  // ECONNREFUSED: there is none of that name.
  static Result<Watch> of(const std::string& name);
  [[nodiscard]] bool watching() const { return static_cast<bool>(socket_); }
  [[nodiscard]] bool gone() const;
  [[nodiscard]] const Peer& peer() const { return peer_; }

 private:
  Socket socket_;
  Peer peer_;
};

}  // namespace ross::fabric::ofi
