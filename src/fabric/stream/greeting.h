// Greeting: a connection until both sides have said what they are.
//
// The one that connects speaks first, the one that listens answers; each checks magic and version before it believes
// anything else. Either side gives up at its deadline. Threading: owner thread (the loop's).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "fabric/endpoint.h"
#include "fabric/stream/family.h"
#include "fabric/stream/frame.h"
#include "fabric/stream/socket_set.h"

namespace ross::fabric::stream {

class Greeting final : private Watched {
 public:
  class Owner {
   public:
    // The greeting is over: the peer's preamble, or what went wrong. Destroys the greeting.
    virtual void greeted(Greeting& greeting, Result<Preamble> preamble) = 0;

   protected:
    ~Owner() = default;
  };

  Greeting(Owner& owner, SocketSet& set, const Family& family, const ChannelLimits& limits)
      : owner_(owner), set_(set), family_(family), limits_(limits) {}
  ~Greeting();
  // Exactly one of these, once. What is wrong comes in the next pass.
  void hear(Socket socket, std::int64_t deadline_ns);
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns);
  void give_up(Connecting& connecting, Status why);

  // Null for one that was accepted.
  [[nodiscard]] Connecting* connecting() const { return connecting_; }
  [[nodiscard]] int fd() const { return socket_.fd(); }
  [[nodiscard]] Socket take_socket();
  // Sends our preamble. False when the peer has gone.
  bool speak(std::uint32_t error);

 private:
  enum class State : std::uint8_t { kResolving, kConnecting, kHearing };
  std::size_t on_ready(std::uint32_t events) override;
  void on_deadline() override;
  void connect_next();
  void connected();
  void hear_more();
  Status check() const;
  void watch(int fd, std::uint32_t events);
  void unwatch();
  void fail_soon(Status why);

  Owner& owner_;
  SocketSet& set_;
  const Family& family_;
  const ChannelLimits& limits_;
  Connecting* connecting_ = nullptr;
  std::string address_;
  std::unique_ptr<Dialer> dialer_;
  Socket socket_;
  State state_ = State::kHearing;
  int watched_fd_ = -1;
  Preamble heard_{};
  std::size_t heard_bytes_ = 0;
  Status failure_;
};

}  // namespace ross::fabric::stream
