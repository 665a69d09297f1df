// Family: what differs between kinds of stream sockets: addresses, options, and who is at the other end.
//
// Ownership: a family outlives its endpoints. Threading: any thread (Dialer: owner thread).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "fabric/channel.h"
#include "fabric/local/socket.h"

namespace ross::fabric::stream {

// One address being connected to: it may stand for several places, which are tried in turn.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // Readable once the places are known; -1: they are.
  [[nodiscard]] virtual int fd() const { return -1; }
  // A socket that connects to the next place and becomes writable when that has succeeded or failed; or why there is
  // no place (left).
  virtual Result<Socket> next() = 0;
};

class Family {
 public:
  struct Listening {
    Socket socket;  // does not block
    std::string address;
  };

  virtual ~Family() = default;
  virtual Result<Listening> listen(const std::string& where) const = 0;
  // EINVAL for an address that is none.
  virtual Result<std::unique_ptr<Dialer>> dial(std::string_view address) const = 0;
  // Sets the options of a connected socket.
  virtual void tune(int fd) const = 0;
  virtual Result<Peer> peer(int fd) const = 0;
  // Of the other end, for messages to people.
  virtual std::string name(int fd) const = 0;
};

}  // namespace ross::fabric::stream
