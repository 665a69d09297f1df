// StreamEndpoint: an Endpoint over stream sockets of any family.
//
// Limits: kGreetingsMax connections that have not said what they are yet (a newcomer beyond that takes the oldest one's
// place, so that idle ones cannot shut others out), each for kGreetingNs; kConnectingMax connections being made;
// kChannelsMax channels (who comes beyond that is told so). Threading: owner thread (the loop's).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fabric/endpoint.h"
#include "fabric/stream/family.h"
#include "fabric/stream/greeting.h"
#include "fabric/stream/socket_set.h"
#include "fabric/stream/stream_channel.h"

namespace ross::fabric::stream {

class StreamEndpoint final : public Endpoint, private Watched, public Greeting::Owner {
 public:
  static Result<std::unique_ptr<StreamEndpoint>> create(const Family& family, runtime::Loop& loop,
                                                        const EndpointOptions& options);
  ~StreamEndpoint();

  std::string address() const override { return address_; }
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) override;
  Result<Window> expose(const Exposure& exposure) override;
  void revoke(const Window& window) override;

  static constexpr std::size_t kGreetingsMax = 128;
  static constexpr std::int64_t kGreetingNs = 5'000'000'000;
  static constexpr std::size_t kConnectingMax = 1024;
  static constexpr std::size_t kChannelsMax = 4096;

 private:
  StreamEndpoint(const Family& family, std::shared_ptr<SocketSet> set, const EndpointOptions& options)
      : family_(family), set_(std::move(set)), limits_(options.limits), acceptor_(options.acceptor) {}
  std::size_t on_ready(std::uint32_t events) override;
  void on_deadline() override;
  Status watch_listener();
  void greeted(Greeting& greeting, Result<Preamble> preamble) override;
  void admit(Greeting& greeting, const Preamble& preamble);
  Result<std::unique_ptr<Channel>> make_channel(Greeting& greeting, const Preamble& preamble);
  std::unique_ptr<Greeting> remove(Greeting& greeting);
  void log_refused(const Status& why);

  const Family& family_;
  const std::shared_ptr<SocketSet> set_;
  const ChannelLimits limits_;
  Acceptor* const acceptor_;
  Socket listener_;
  std::string address_;
  Home home_;
  std::vector<std::unique_ptr<Greeting>> hearing_;  // the oldest first
  std::vector<std::unique_ptr<Greeting>> connecting_;
  std::int64_t logged_ns_ = INT64_MIN;  // when somebody was last refused in the log
  bool pausing_ = false;                // too few descriptors to accept with
};

// Memory that needs no registration.
Result<std::unique_ptr<Region>> make_plain_region(std::span<std::byte> memory);

}  // namespace ross::fabric::stream
