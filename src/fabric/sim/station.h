// Station: an endpoint of the simulated network; its windows, and connections being made to and from it.
//
// Threading: owner thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fabric/sim/state.h"

namespace ross::fabric::sim {

// An exposed piece of memory.
struct Shown {
  std::span<std::byte> memory;
  Access access = Access::kRead;
  bool for_one = false;
  std::uint64_t only_for = 0;  // the connection, which no other ever is
};

class Station : public std::enable_shared_from_this<Station> {
 public:
  Station(std::shared_ptr<State> net, std::string host, runtime::Loop& loop, const EndpointOptions& options)
      : net_(std::move(net)),
        host_(std::move(host)),
        loop_(loop),
        limits_(options.limits),
        acceptor_(options.acceptor) {}

  // Errors: EINVAL, EADDRNOTAVAIL (another host's), EADDRINUSE.
  Status listen(std::string_view where);
  // The endpoint is destroyed.
  void retire();
  // Its host has crashed.
  void vanish();
  // Nothing goes in or out any more, and its owner learns so.
  void unplug();
  [[nodiscard]] bool gone() const { return gone_; }
  [[nodiscard]] bool unplugged() const { return unplugged_; }

  [[nodiscard]] State& net() { return *net_; }
  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] runtime::Loop& loop() { return loop_; }
  [[nodiscard]] const ChannelLimits& limits() const { return limits_; }
  [[nodiscard]] std::string address() const;

  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns);
  Result<Window> expose(const Exposure& exposure);
  void revoke(const Window& window);
  // The memory that a transfer of this connection may touch, or why it may not.
  Result<std::span<std::byte>> reach(const std::string& key, Access access, std::uint64_t connection,
                                     std::uint64_t offset_bytes, std::uint64_t size_bytes) const;

  void add(Half& half) { halves_.push_back(&half); }
  void drop(Half& half) { std::erase(halves_, &half); }
  [[nodiscard]] const std::vector<Half*>& halves() const { return halves_; }

 private:
  struct Attempt;
  void hide_all();
  void knock(const std::shared_ptr<Station>& from, const std::shared_ptr<Attempt>& attempt);
  void answer(const std::shared_ptr<Attempt>& attempt, Result<std::unique_ptr<Channel>> channel);

  const std::shared_ptr<State> net_;
  const std::string host_;
  runtime::Loop& loop_;
  const ChannelLimits limits_;
  Acceptor* const acceptor_;
  std::uint16_t port_ = 0;  // 0: not listening
  bool gone_ = false;       // with its endpoint or its host
  bool crashed_ = false;
  bool unplugged_ = false;
  std::size_t attempts_ = 0;
  std::vector<Half*> halves_;
  absl::flat_hash_map<std::string, Shown> shown_;
};

}  // namespace ross::fabric::sim
