// TcpProxy: a network between clients and a server that a test can cut, stop and mend.
//
// It forwards every connection to the server's address, from a thread of its own. Threading: any thread.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"

namespace ross::remote_test {

class TcpProxy {
 public:
  // server: "127.0.0.1:PORT".
  static std::unique_ptr<TcpProxy> to(const std::string& server);
  virtual ~TcpProxy() = default;
  // Where clients go instead.
  [[nodiscard]] virtual std::string address() const = 0;
  // Sends later connections to another server.
  virtual void redirect(const std::string& server) = 0;
  // Ends all connections that there are.
  virtual void cut() = 0;
  // Connections stay and nothing passes, or goes on passing; new ones likewise.
  virtual void stop(bool stopped) = 0;
  // Bytes that passed so far.
  [[nodiscard]] virtual std::uint64_t bytes() const = 0;
};

}  // namespace ross::remote_test
