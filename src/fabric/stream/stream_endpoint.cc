#include "fabric/stream/stream_endpoint.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/log.h"

namespace ross::fabric::stream {
namespace {

constexpr int kAcceptsMax = 16;                      // in one pass
constexpr std::int64_t kPauseNs = 100'000'000;       // until accepting is tried again when descriptors ran out
constexpr std::int64_t kLogEveryNs = 1'000'000'000;  // of who was refused: strangers must not fill the log

class PlainRegion final : public Region {
 public:
  explicit PlainRegion(std::span<std::byte> memory) : Region(memory) {}
};

}  // namespace

Result<std::unique_ptr<Region>> make_plain_region(std::span<std::byte> memory) {
  return std::make_unique<PlainRegion>(memory);
}

Result<std::unique_ptr<StreamEndpoint>> StreamEndpoint::create(const Family& family, runtime::Loop& loop,
                                                               const EndpointOptions& options) {
  ROSS_CHECK(options.listen.empty() || options.acceptor != nullptr, "an endpoint listens and nobody takes channels");
  ROSS_TRY(std::shared_ptr<SocketSet> set, SocketSet::create(loop));
  std::unique_ptr<StreamEndpoint> endpoint(new StreamEndpoint(family, std::move(set), options));
  if (!options.listen.empty()) {
    ROSS_TRY(Family::Listening listening, family.listen(options.listen));
    endpoint->listener_ = std::move(listening.socket);
    endpoint->address_ = std::move(listening.address);
    ROSS_OK(endpoint->watch_listener());
  }
  return endpoint;
}

StreamEndpoint::~StreamEndpoint() {
  ROSS_CHECK(home_.channels.empty(), "an endpoint was destroyed before its channels");
  if (listener_) set_->unwatch(listener_.fd(), *this);
  set_->set_deadline(*this, INT64_MAX);
  hearing_.clear();
  while (!connecting_.empty()) {
    const std::unique_ptr<Greeting> greeting = std::move(connecting_.back());
    connecting_.pop_back();
    greeting->connecting()->done(*greeting->connecting(), fail(ECANCELED, "the endpoint was closed"));
  }
}

Status StreamEndpoint::watch_listener() { return set_->watch(listener_.fd(), *this, EPOLLIN); }

// Somebody waits at the listener.
std::size_t StreamEndpoint::on_ready(std::uint32_t) {
  std::size_t count = 0;
  for (int i = 0; i < kAcceptsMax; ++i) {
    Socket socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      const int error = errno;
      if (error == EINTR || error == ECONNABORTED) continue;
      if (error == EAGAIN) break;
      // Out of descriptors or memory: who waits in the line waits a little longer.
      if (!std::exchange(pausing_, true)) {
        log().warn("cannot accept connections at {}: {}", address_, Status(error).message());
      }
      set_->unwatch(listener_.fd(), *this);
      set_->set_deadline(*this, set_->loop().clock().monotonic_ns() + kPauseNs);
      break;
    }
    ++count;
    pausing_ = false;
    family_.tune(socket.fd());
    if (hearing_.size() == kGreetingsMax) hearing_.erase(hearing_.begin());
    hearing_.push_back(std::make_unique<Greeting>(*this, *set_, family_, limits_));
    hearing_.back()->hear(std::move(socket), set_->loop().clock().monotonic_ns() + kGreetingNs);
  }
  return count;
}

void StreamEndpoint::on_deadline() {
  if (!watch_listener().ok()) set_->set_deadline(*this, set_->loop().clock().monotonic_ns() + kPauseNs);
}

void StreamEndpoint::connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) {
  const bool room = connecting_.size() < kConnectingMax;
  connecting_.push_back(std::make_unique<Greeting>(*this, *set_, family_, limits_));
  if (room) return connecting_.back()->connect(address, connecting, deadline_ns);
  connecting_.back()->give_up(connecting, Status(ENOBUFS, "too many connections are being made at once", Retry::kNow));
}

std::unique_ptr<Greeting> StreamEndpoint::remove(Greeting& greeting) {
  auto& list = greeting.connecting() != nullptr ? connecting_ : hearing_;
  const auto found = std::find_if(list.begin(), list.end(), [&](const auto& one) { return one.get() == &greeting; });
  std::unique_ptr<Greeting> owned = std::move(*found);
  list.erase(found);
  return owned;
}

void StreamEndpoint::greeted(Greeting& greeting, Result<Preamble> preamble) {
  const std::unique_ptr<Greeting> owned = remove(greeting);
  Connecting* const connecting = greeting.connecting();
  if (connecting == nullptr) {
    if (preamble.has_value()) return admit(greeting, *preamble);
    // Of another version: it learns ours, and that this was the reason.
    if (preamble.error().error() == EPROTO) static_cast<void>(greeting.speak(EPROTO));
    return log_refused(preamble.error());
  }
  if (!preamble.has_value()) return connecting->done(*connecting, fail(std::move(preamble).error()));
  // These calls come last: they may destroy the endpoint.
  connecting->done(*connecting, make_channel(greeting, *preamble));
}

void StreamEndpoint::admit(Greeting& greeting, const Preamble& preamble) {
  if (home_.channels.size() >= kChannelsMax) {
    static_cast<void>(greeting.speak(EUSERS));
    return log_refused(Status(EUSERS, "a connection was refused: there are too many"));
  }
  if (!greeting.speak(0)) return;
  Result<std::unique_ptr<Channel>> channel = make_channel(greeting, preamble);
  if (!channel.has_value()) return log_refused(channel.error());
  acceptor_->on_channel(*std::move(channel));
}

Result<std::unique_ptr<Channel>> StreamEndpoint::make_channel(Greeting& greeting, const Preamble& preamble) {
  ROSS_TRY(Peer peer, family_.peer(greeting.fd()));
  std::string name = family_.name(greeting.fd());
  return std::make_unique<StreamChannel>(
      set_, StreamChannel::Setup{.socket = greeting.take_socket(),
                                 .peer = std::move(peer),
                                 .name = std::move(name),
                                 .limits = limits_,
                                 .peer_limits = {preamble.head_bytes_max, preamble.payload_bytes_max},
                                 .peer_gets_max = preamble.gets_max,
                                 .home = &home_});
}

void StreamEndpoint::log_refused(const Status& why) {
  // Who only looks whether somebody listens, and goes, is no news.
  if (why.error() == ECONNRESET) return log().debug("at {}: {}", address_, why.message());
  const std::int64_t now_ns = set_->loop().clock().monotonic_ns();
  if (logged_ns_ != INT64_MIN && now_ns - logged_ns_ < kLogEveryNs) return;
  logged_ns_ = now_ns;
  log().warn("at {}: {}", address_, why.message());
}

Result<Window> StreamEndpoint::expose(const Exposure& exposure) {
  // Channels of this endpoint are StreamChannels.
  const std::uint64_t channel =
      exposure.only_for != nullptr ? static_cast<const StreamChannel*>(exposure.only_for)->serial() : 0;
  ROSS_TRY(const Key key, home_.windows.add(exposure.memory, exposure.access, channel));
  return Window{exposure.memory.size(), to_text(key)};
}

void StreamEndpoint::revoke(const Window& window) {
  const Result<Key> key = key_of(window);
  ROSS_CHECK(key.has_value(), "a window was revoked that is not this endpoint's");
  if (home_.windows.remove(*key) == 0) return;
  for (StreamChannel* const channel : home_.channels) channel->window_removed(key->slot);
}

}  // namespace ross::fabric::stream
