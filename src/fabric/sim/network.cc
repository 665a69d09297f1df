#include "fabric/sim/network.h"

#include <algorithm>
#include <utility>

#include "fabric/sim/half.h"
#include "fabric/sim/state.h"
#include "fabric/sim/station.h"

namespace ross::fabric::sim {
namespace {

constexpr std::size_t kHostNameBytesMax = 255;

class SimEndpoint final : public Endpoint {
 public:
  explicit SimEndpoint(std::shared_ptr<Station> station) : station_(std::move(station)) {}
  ~SimEndpoint() override { station_->retire(); }
  [[nodiscard]] std::string address() const override { return station_->address(); }
  void connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) override {
    station_->connect(address, connecting, deadline_ns);
  }
  Result<Window> expose(const Exposure& exposure) override { return station_->expose(exposure); }
  void revoke(const Window& window) override { station_->revoke(window); }

 private:
  const std::shared_ptr<Station> station_;
};

class SimRegion final : public Region {
 public:
  explicit SimRegion(std::span<std::byte> memory) : Region(memory) {}
};

class SimDomain final : public Domain {
 public:
  SimDomain(std::shared_ptr<State> state, std::string host) : state_(std::move(state)), host_(std::move(host)) {
    traits_.name = "sim";
    traits_.wants_regions = state_->options().wants_regions;
    traits_.inline_bytes_max = state_->options().inline_bytes_max;
  }

  [[nodiscard]] const Traits& traits() const override { return traits_; }

  Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) override {
    ROSS_CHECK(&loop.clock() == &state_->clock(), "a loop of a simulated network runs on another clock");
    Host& host = state_->hosts()[host_];
    if (!host.up) return fail(EHOSTDOWN, "the simulated host has crashed");
    auto station = std::make_shared<Station>(state_, host_, loop, options);
    if (!options.listen.empty()) ROSS_OK(station->listen(options.listen));
    host.stations.push_back(station.get());
    return std::make_unique<SimEndpoint>(std::move(station));
  }

  Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) override {
    return std::make_unique<SimRegion>(memory);
  }

 private:
  const std::shared_ptr<State> state_;
  const std::string host_;
  Traits traits_;
};

}  // namespace

Network::Network(Clock& clock, const NetworkOptions& options) : state_(std::make_shared<State>(clock, options)) {}
Network::~Network() = default;

void Network::set_links(const LinkOptions& options) { state_->set_links(options); }

void Network::set_link(std::string_view host, std::string_view other, const LinkOptions& options) {
  state_->set_link(std::string(host), std::string(other), options);
}

void Network::partition(std::string_view host, std::string_view other, std::int64_t for_ns) {
  state_->part(std::string(host), std::string(other), state_->now() + for_ns);
}

void Network::cut(std::string_view host, std::string_view other) {
  const auto found = state_->hosts().find(host);
  if (found == state_->hosts().end()) return;
  for (Station* const station : found->second.stations) {
    for (Half* const half : std::vector(station->halves())) {
      const std::shared_ptr<Half> peer = half->peer();
      if (peer != nullptr && peer->host() == other) state_->cut(*half);
    }
  }
}

void Network::crash(std::string_view host) {
  const auto found = state_->hosts().find(host);
  ROSS_CHECK(found != state_->hosts().end(), "a host crashes that is not there");
  found->second.up = false;
  found->second.listening.clear();
  ++state_->counters().crashes;
  state_->note('!', found->second.stations.size());
  for (Station* const station : found->second.stations) {
    if (!station->gone()) station->vanish();
  }
}

void Network::unplug(std::string_view host) {
  const auto found = state_->hosts().find(host);
  ROSS_CHECK(found != state_->hosts().end(), "a host is unplugged that is not there");
  found->second.up = false;
  found->second.listening.clear();
  ++state_->counters().crashes;
  state_->note('/', found->second.stations.size());
  for (Station* const station : found->second.stations) station->unplug();
}

void Network::restart(std::string_view host) {
  const auto found = state_->hosts().find(host);
  ROSS_CHECK(found != state_->hosts().end(), "a host restarts that is not there");
  found->second.up = true;
}

const Counters& Network::counters() const { return state_->counters(); }
std::uint64_t Network::digest() const { return state_->digest(); }

Result<std::unique_ptr<Domain>> make_domain(Network& network, std::string_view host) {
  if (host.empty() || host.size() > kHostNameBytesMax || host.find(':') != std::string_view::npos) {
    return fail(EINVAL, "a host of the simulated network has a name without a colon");
  }
  network.state_->hosts().try_emplace(std::string(host));
  return std::make_unique<SimDomain>(network.state_, std::string(host));
}

}  // namespace ross::fabric::sim
