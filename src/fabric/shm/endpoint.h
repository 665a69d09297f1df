// ShmEndpoint: the channels of one loop, the windows they reach, and the socket where peers come in.
//
// The loop looks at the endpoint, the endpoint at its channels' rings. Its descriptors (the listening socket, those of
// channels, which wake and hang up) it looks at after a sleep and now and then; while both sides are awake, passes make no
// system call.
//
// Ownership: as endpoint.h of fabric/ says. Threading: owner thread (the loop's).
#pragma once

#include <sys/types.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "fabric/endpoint.h"
#include "fabric/local/listener.h"
#include "fabric/shm/channel.h"
#include "fabric/shm/domain.h"
#include "fabric/shm/greeting.h"
#include "fabric/shm/region.h"
#include "fabric/shm/watch.h"
#include "fabric/shm/window_table.h"

namespace ross::fabric::shm {

class ShmEndpoint final : public Endpoint, public runtime::Poller, private Watched {
 public:
  static constexpr std::size_t kChannelsMax = 1024;  // beyond it nobody is accepted
  static constexpr std::size_t kPendingMax = 64;     // peers that have not greeted yet
  static constexpr std::int64_t kGreetingNs = 5'000'000'000;

  static Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const ShmOptions& options,
                                                const EndpointOptions& endpoint_options);
  ~ShmEndpoint() override;

  [[nodiscard]] std::string address() const override { return path_; }
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) override;
  Result<Window> expose(const Exposure& exposure) override;
  void revoke(const Window& window) override;

  std::size_t poll() override;
  std::int64_t arm() override;
  void disarm() override;
  [[nodiscard]] int fd() const override { return watch_.fd(); }

  // Of its channels.
  [[nodiscard]] const WindowTable& windows() const { return windows_; }
  [[nodiscard]] Watch& watch() { return watch_; }
  void forget(ShmChannel& channel);

 private:
  // A connection on its way: of ours, or of a peer.
  struct Pending final : Watched {
    ShmEndpoint* endpoint = nullptr;
    Connecting* connecting = nullptr;  // null: a peer's
    std::string path;
    std::int64_t deadline_ns = 0;
    std::unique_ptr<Greeting> greeting;  // once there is a socket
    Status failed;
    bool complete = false;
    void on_ready() override;
  };

  ShmEndpoint(runtime::Loop& loop, const ShmOptions& options, const EndpointOptions& endpoint_options);
  Status listen();
  void on_ready() override { accept(); }
  void accept();
  void listen_if_room();
  void dial(Pending& pending);
  Status greet(Pending& pending, Socket socket);
  std::size_t settle_pending();
  void finish(Pending& pending);

  runtime::Loop& loop_;
  const ShmOptions options_;
  const ChannelLimits limits_;
  Acceptor* const acceptor_;
  std::string path_;
  std::size_t ring_bytes_ = 0;
  std::array<std::byte, 16> probe_{};  // peers read it, where the kernel lets them, to know that they can
  Watch watch_;
  WindowTable windows_;
  bool added_ = false;  // to the loop

  Listener listener_;
  bool listening_ = false;  // watched
  std::int64_t accept_again_ns_ = 0;

  std::vector<ShmChannel*> channels_;  // null: gone during a pass
  bool in_pass_ = false;
  std::vector<std::unique_ptr<Pending>> pending_;
  std::vector<std::weak_ptr<SharedRegion>>
      regions_;  // that windows were in; weak: a region ends when its owner says so
  std::uint64_t links_ = 0;
  unsigned passes_ = 0;
  bool look_now_ = true;
};

}  // namespace ross::fabric::shm
