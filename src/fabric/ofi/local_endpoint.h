// LocalEndpoint: an endpoint between processes of one machine, where each channel has an OfiEndpoint of its own (pair.h says why).
//
// Two processes meet at a Unix socket. Who connects sends a greeting with the page of the pair; who listens makes its OfiEndpoint
// and answers with that one's name; then the other makes its own and says hello through the provider, as everywhere. The socket
// stays open. It tells who the peer is and that it is gone, and wakes sleepers.
//
// Peers are processes of the same user that can reach each other's memory. The provider asks the kernel for one of the two only and
// believes that of both, so each asks for itself. Where it may not, the provider would cut data into pieces of its own and copy
// twice; that stood still in the suite, and is refused.
//
// Windows are known to all channels; a number of a channel is used once in 65535. An OfiEndpoint whose channel is gone stays until
// the other end has heard its last words, kLingerNs at most.
// Ownership: as endpoint.h of fabric/ says. Threading: owner thread (the loop's).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "fabric/local/listener.h"
#include "fabric/ofi/domain.h"
#include "fabric/ofi/endpoint.h"
#include "fabric/ofi/leftovers.h"
#include "fabric/ofi/pair.h"
#include "fabric/ofi/windows.h"
#include "fabric/shm/watch.h"

namespace ross::fabric::ofi {

// What the two ends say over a new socket, once each way; with the first the page.
struct PairGreeting {
  std::uint32_t magic = kMagic;
  std::uint16_t version = kVersion;
  std::uint16_t zero = 0;
  std::uint32_t refused = 0;        // the answer's: an errno, in place of a name
  std::uint32_t pid = 0;            // as that process knows itself
  std::uint64_t probe_address = 0;  // where that process keeps its probe
  std::uint64_t probe = 0;          // what stands there
  char name[96] = {};               // of that end's OfiEndpoint, zeros behind

  static constexpr std::uint32_t kMagic = 0x50525352;
  static constexpr std::uint16_t kVersion = 1;
};
static_assert(sizeof(PairGreeting) == 128);

class LocalEndpoint final : public Endpoint, public runtime::Poller, private shm::Watched {
 public:
  static constexpr std::size_t kChannelsMax = 1024;  // beyond it nobody is accepted
  static constexpr std::int64_t kGreetingNs = 5'000'000'000;
  static constexpr std::int64_t kLingerNs = 1'000'000'000;

  static Result<std::unique_ptr<Endpoint>> create(OfiDomain& domain, runtime::Loop& loop,
                                                  const EndpointOptions& options);
  ~LocalEndpoint() override;

  std::string address() const override { return path_; }
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) override;
  Result<Window> expose(const Exposure& exposure) override;
  void revoke(const Window& window) override;

  std::size_t poll() override;
  std::int64_t arm() override;
  int fd() const override { return watch_.fd(); }

 private:
  // One channel, from before it is there until after it is gone.
  struct Line final : shm::Watched, Connecting, Acceptor, PairHost {
    enum class State : std::uint8_t {
      kDialing,   // nobody has room for us yet
      kGreeting,  // one end waits for the other's greeting
      kMeeting,   // there is an OfiEndpoint, and no channel yet
      kMet,
      kOver,  // the channel is gone, or never was
    };
    explicit Line(LocalEndpoint& by) : owner(by) {}
    LocalEndpoint& owner;
    State state = State::kDialing;
    Connecting* connecting = nullptr;  // null: a peer's
    std::string path;
    std::int64_t deadline_ns = 0;
    Status failed;
    Socket socket;  // until the pair has it
    shm::SharedMemory page;
    Peer peer;
    const std::string name = endpoint_name();  // of our OfiEndpoint
    PairGreeting greeting;
    std::size_t greeting_bytes = 0;  // that have come
    std::vector<shm::Descriptor> descriptors;
    std::unique_ptr<OfiEndpoint> endpoint;

    void on_ready() override { owner.read(*this); }
    void on_channel(std::unique_ptr<Channel> channel) override { owner.accepted(*this, std::move(channel)); }
    void on_channel_gone() override { owner.gone(*this); }
  };

  LocalEndpoint(OfiDomain& domain, runtime::Loop& loop, const EndpointOptions& options);
  Status listen();
  void on_ready() override { accept(); }
  void accept();
  void pause_accepting();
  void dial(Line& line);
  Status greet(const Line& line, int fd, std::uint32_t refused) const;
  void read(Line& line);
  Status take_greeting(Line& line);
  Status answer(Line& line);
  Status make_endpoint(Line& line);
  void accepted(Line& line, std::unique_ptr<Channel> channel);
  void gone(Line& line);
  std::size_t settle();
  void tell_failure(Line& line);
  [[nodiscard]] std::int64_t now() const { return loop_.clock().monotonic_ns(); }

  OfiDomain& domain_;
  runtime::Loop& loop_;
  const ChannelLimits limits_;
  Acceptor* const acceptor_;
  const std::string path_;
  std::uint64_t probe_ = 0;  // peers read it, where the kernel lets them
  shm::Watch watch_;
  WindowTable windows_;
  bool added_ = false;

  Listener listener_;
  std::int64_t accept_again_ns_ = 0;  // there were no descriptors left

  std::vector<std::unique_ptr<Line>> lines_;
  std::size_t unsettled_ = 0;  // lines that are not met
  std::uint16_t generation_ = 0;
  unsigned passes_ = 0;
  bool look_now_ = true;
};

}  // namespace ross::fabric::ofi
