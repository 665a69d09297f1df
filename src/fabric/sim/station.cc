#include "fabric/sim/station.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "fabric/sim/half.h"

namespace ross::fabric::sim {
namespace {

constexpr std::size_t kKeyWords = 2;  // 128 random bits

struct Place {
  std::string_view host;
  std::uint16_t port = 0;
};

// "host:port"
std::optional<Place> parse(std::string_view address) {
  if (address.size() > kAddressBytesMax) return std::nullopt;
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  Place place{.host = address.substr(0, colon)};
  const std::string_view port = address.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), place.port);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return place;
}

}  // namespace

struct Station::Attempt {
  Connecting* connecting = nullptr;  // null once it was told
};

Status Station::listen(std::string_view where) {
  const std::optional<Place> place = parse(where);
  if (!place) return Status(EINVAL, "an address of the simulated network is \"host:port\"");
  if (place->host != host_) return Status(EADDRNOTAVAIL, "that is another host");
  Host& host = net_->hosts()[host_];
  std::uint16_t port = place->port;
  if (port == 0) {
    while (host.next_port == 0 || host.listening.contains(host.next_port)) ++host.next_port;
    port = host.next_port++;
  }
  if (!host.listening.try_emplace(port, this).second) return Status(EADDRINUSE);
  port_ = port;
  return {};
}

std::string Station::address() const { return port_ == 0 ? "" : host_ + ":" + std::to_string(port_); }

void Station::retire() {
  if (!crashed_) {
    ROSS_CHECK(std::ranges::none_of(halves_, [](const Half* half) { return half->has_handle(); }),
               "an endpoint was destroyed before its channels");
    ROSS_CHECK(attempts_ == 0, "an endpoint was destroyed that is connecting");
  }
  gone_ = true;
  hide_all();
  Host& host = net_->hosts()[host_];
  if (port_ != 0 && !crashed_ && !unplugged_) host.listening.erase(port_);
  std::erase(host.stations, this);
}

void Station::hide_all() {
  net_->counters().windows -= shown_.size();
  shown_.clear();
}

void Station::vanish() {
  gone_ = true;
  crashed_ = true;
  hide_all();
  for (Half* const half : halves_) net_->cut(*half);
}

void Station::unplug() {
  if (gone_ || std::exchange(unplugged_, true)) return;
  hide_all();
  for (Half* const half : std::vector(halves_)) {
    net_->cut(*half);
    half->end_later(Status(ENETDOWN, "the simulated host is off the network"));
  }
}

// ---- connecting ----

void Station::connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) {
  if (gone_) return;
  auto attempt = std::make_shared<Attempt>();
  attempt->connecting = &connecting;
  ++attempts_;
  const std::shared_ptr<Station> self = shared_from_this();
  const auto fail_at = [&](std::int64_t at_ns, const Status& why) {
    loop_.at(at_ns, [self, attempt, why] {
      if (!self->gone_) self->answer(attempt, fail(why));
    });
  };
  const std::optional<Place> place = parse(address);
  if (!place) {
    return fail_at(net_->now(), Status(EINVAL, "an address of the simulated network is \"host:port\""));
  }
  if (unplugged_) return fail_at(net_->now(), Status(ENETDOWN, "the simulated host is off the network"));
  fail_at(deadline_ns, Status(ETIMEDOUT, "nobody answered at " + std::string(address)));
  const auto host = net_->hosts().find(place->host);
  if (host == net_->hosts().end() || !host->second.up) return;  // silence
  net_->roll_link(host_, host->first);
  const std::int64_t there_ns = net_->arrival_ns(host_, host->first, 0);
  const std::int64_t back_ns = there_ns + net_->latency_ns(host->first, host_);
  const Status nobody(ECONNREFUSED, "nobody listens at " + std::string(address));
  const auto listening = host->second.listening.find(place->port);
  if (listening == host->second.listening.end()) return fail_at(back_ns, nobody);
  const std::shared_ptr<Station> to = listening->second->shared_from_this();
  net_->carry(host_, to, there_ns,
              {.arrive = [to, self, attempt] { to->knock(self, attempt); },
               .parted = nullptr,
               .gone =
                   [to, self, attempt, nobody, back_ns] {
                     if (to->crashed_ || self->gone_) return;
                     self->loop_.at(back_ns, [self, attempt, nobody] {
                       if (!self->gone_) self->answer(attempt, fail(nobody));
                     });
                   }});
}

// Somebody asks for a channel.
void Station::knock(const std::shared_ptr<Station>& from, const std::shared_ptr<Attempt>& attempt) {
  if (unplugged_) return;
  const auto [theirs, ours] = Half::join(from, shared_from_this());
  ++net_->counters().connections;
  net_->note('K', ours->connection().id);
  if (from->gone_ || from->unplugged_) net_->cut(*ours);  // asked before it crashed
  // Only there it becomes a channel: an endpoint may be gone by then whose attempt has failed.
  net_->carry(host_, from, net_->arrival_ns(host_, from->host_, 0),
              {.arrive =
                   [from, attempt, half = theirs] {
                     if (!from->unplugged_) from->answer(attempt, Half::handle(half));
                   },
               .parted = nullptr,
               .gone = nullptr});
  acceptor_->on_channel(Half::handle(ours));
}

void Station::answer(const std::shared_ptr<Attempt>& attempt, Result<std::unique_ptr<Channel>> channel) {
  Connecting* const connecting = std::exchange(attempt->connecting, nullptr);
  if (connecting == nullptr) return;  // a channel that comes too late is destroyed here, and its other end learns so
  --attempts_;
  net_->note('A', channel.has_value() ? 1 : 0);
  connecting->done(*connecting, std::move(channel));
}

// ---- windows ----

Result<Window> Station::expose(const Exposure& exposure) {
  if (gone_ || unplugged_) return fail(EHOSTDOWN, "the simulated host has crashed");
  if (shown_.size() >= Endpoint::kWindowsMax) return fail(ENOBUFS, "too many windows are exposed at once");
  ROSS_CHECK(exposure.region == nullptr || exposure.region->holds(exposure.memory), "a window outside its region");
  Window window{.size_bytes = exposure.memory.size()};
  for (std::size_t i = 0; i < kKeyWords; ++i) {
    const std::uint64_t word = net_->random()();
    window.key.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  Shown shown{.memory = exposure.memory, .access = exposure.access};
  if (exposure.only_for != nullptr) {
    shown.for_one = true;
    shown.only_for = Half::connection_of(*exposure.only_for);
  }
  shown_.emplace(window.key, shown);
  ++net_->counters().windows;
  return window;
}

void Station::revoke(const Window& window) {
  if (gone_ || unplugged_) return;
  ROSS_CHECK(shown_.erase(window.key) == 1, "a window was revoked that is not exposed");
  --net_->counters().windows;
}

Result<std::span<std::byte>> Station::reach(const std::string& key, Access access, std::uint64_t connection,
                                            std::uint64_t offset_bytes, std::uint64_t size_bytes) const {
  const auto found = shown_.find(key);
  if (found == shown_.end()) return fail(EACCES, "no window has this key");
  const Shown& shown = found->second;
  if (shown.for_one && shown.only_for != connection) return fail(EACCES, "the window is for another channel");
  if (shown.access != access) return fail(EACCES, "the window is for the other direction");
  if (size_bytes > shown.memory.size() || offset_bytes > shown.memory.size() - size_bytes) {
    return fail(ERANGE, "beyond the window");
  }
  return shown.memory.subspan(offset_bytes, size_bytes);
}

}  // namespace ross::fabric::sim
