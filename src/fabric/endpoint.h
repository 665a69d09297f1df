// Domain, Endpoint, Region, Window: what stands behind channels, the same for every backend.
//
// A Domain is one backend set up in this process: a libfabric domain, a UCX context, our own sockets. An Endpoint is its
// part on one loop: it is reachable under an address, connects to others, and exposes memory to peers. A Region is memory
// the network card may use; a Window is the part of it that peers may reach, one way, until it is revoked.
//
//   ROSS_TRY(auto endpoint, domain.open(loop, {.limits = limits, .listen = "127.0.0.1:0", .acceptor = &acceptor}));
//   ROSS_TRY(auto channel, co_await connect(*endpoint, address, deadline_ns));
//   ROSS_TRY(Window window, endpoint->expose({buffer, Access::kWrite, nullptr, channel.get()}));   // peers may put
//   ...                                               // its key travels in a message; the peer puts, then answers
//   endpoint->revoke(window);                         // from here on nobody reaches the memory
//
// Windows: a transfer is checked against key, direction, range and, where the window names a channel, who asks. Keys
// cannot be computed from earlier keys where Traits::keys_are_secret. When revoke() returns the memory is not touched any
// more, also by a transfer that was under way (its channel ends).
// Ownership: a domain outlives its endpoints and regions; an endpoint outlives its channels, which are closed before it is
// destroyed. An exposed span, and its region, live until the window is revoked. Threading: Domain and Region any thread,
// Endpoint owner thread (its loop's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fabric/channel.h"
#include "runtime/loop.h"

namespace ross::fabric {

inline constexpr std::size_t kAddressBytesMax = 1024;
inline constexpr std::size_t kKeyBytesMax = 256;

// What a backend says about itself.
struct Traits {
  std::string name;  // as in configuration and URLs: "tcp", "shm", "ofi+tcp", "ofi+verbs", "ucx+tcp", "sim"
  bool same_machine_only = false;  // peers share this kernel
  bool sleeps = true;              // a loop with nothing to do sleeps until something comes; else it looks now and then
  bool notices_death = true;       // a channel ends when its peer's process does, without anybody sending
  bool keys_are_secret = true;     // keys of windows are random; else they are the network card's, and few
  bool wants_regions = false;      // transfers from memory that is in no region are copied through memory that is
  std::size_t inline_bytes_max = 0;  // up to here a payload travels faster in a message than through a window
};

// What a peer may do with a window.
enum class Access : std::uint8_t { kRead, kWrite };  // get from it, put into it

// The name of exposed memory, as peers are told it. A plain value.
struct Window {
  std::uint64_t size_bytes = 0;
  std::string key;  // the backend's, kKeyBytesMax at most; sent as it is

  [[nodiscard]] bool exposed() const { return !key.empty(); }
};

// Registered memory. Ends its registration when destroyed, which is after the last transfer and window on it.
class Region {
 public:
  virtual ~Region() = default;
  [[nodiscard]] std::span<std::byte> memory() const { return memory_; }
  [[nodiscard]] bool holds(std::span<const std::byte> part) const {
    return part.data() >= memory_.data() && part.data() + part.size() <= memory_.data() + memory_.size();
  }

 protected:
  explicit Region(std::span<std::byte> memory) : memory_(memory) {}

 private:
  const std::span<std::byte> memory_;
};

struct Exposure {
  std::span<std::byte> memory;
  Access access = Access::kRead;
  const Region* region = nullptr;     // that holds memory; null: registered for the window's life where that is needed
  const Channel* only_for = nullptr;  // null: whoever has the key
};

class Acceptor {
 public:
  // A peer has connected. Who takes it starts it or destroys it; what it wants it says in its first message.
  virtual void on_channel(std::unique_ptr<Channel> channel) = 0;

 protected:
  ~Acceptor() = default;
};

// A connection being made. done runs once, on the loop: with the channel, or with why there is none (ECONNREFUSED and the
// like, ETIMEDOUT at the deadline, EPROTO when the other end is something else).
struct Connecting {
  void (*done)(Connecting& self, Result<std::unique_ptr<Channel>> channel) = nullptr;
};

struct EndpointOptions {
  ChannelLimits limits{};
  // Where to be reached, in the backend's own form (tcp "127.0.0.1:7471", port 0 for any; shm the path of a socket); empty:
  // nobody connects to us, though peers we connect to reach our windows.
  std::string listen;
  Acceptor* acceptor = nullptr;  // with listen
};

class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // What peers connect to, kAddressBytesMax at most; empty when not listening.
  [[nodiscard]] virtual std::string address() const = 0;
  virtual void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) = 0;
  // Errors: ENOBUFS (kWindowsMax are exposed), those of registering (ENOMEM: the limit on locked memory).
  virtual Result<Window> expose(const Exposure& exposure) = 0;
  // window is one that expose() gave and that was not revoked.
  virtual void revoke(const Window& window) = 0;

  static constexpr std::size_t kWindowsMax = 65536;  // at once; a session has far fewer requests in flight
};

class Domain {
 public:
  virtual ~Domain() = default;
  [[nodiscard]] virtual const Traits& traits() const = 0;
  // Errors: an address in use or not ours, too few descriptors, what the backend's library says.
  virtual Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) = 0;
  // Registers memory for transfers and windows of every endpoint of this domain.
  virtual Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) = 0;
};

// co_await connect(endpoint, address, deadline_ns)
inline auto connect(Endpoint& endpoint, std::string_view address, std::int64_t deadline_ns) {
  struct Awaiter : Connecting {
    Endpoint& endpoint;
    std::string_view address;
    std::int64_t deadline_ns;
    std::coroutine_handle<> waiting;
    Result<std::unique_ptr<Channel>> result = fail(ECANCELED);
    Awaiter(Endpoint& by, std::string_view to, std::int64_t until) : endpoint(by), address(to), deadline_ns(until) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      waiting = handle;
      done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
        auto& awaiter = static_cast<Awaiter&>(self);
        awaiter.result = std::move(channel);
        awaiter.waiting.resume();
      };
      endpoint.connect(address, *this, deadline_ns);
    }
    Result<std::unique_ptr<Channel>> await_resume() { return std::move(result); }
  };
  return Awaiter(endpoint, address, deadline_ns);
}

}  // namespace ross::fabric
