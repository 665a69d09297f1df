// The suite on the simulated network, faults off: links that delay, so that transfers, channels and ends overtake each other.
#include <utility>

#include "base/clock.h"
#include "conformance/fabric/backend.h"
#include "fabric/sim/network.h"

namespace ross::fabric::conformance {
namespace {

class SimFixture final : public Fixture {
 public:
  explicit SimFixture(bool one_host) : one_host_(one_host) {
    for (int side = 0; side < 2; ++side) domains_[side] = *sim::make_domain(network_, host(side));
  }
  Domain& domain(int side) override { return *domains_[side]; }
  std::string listen_address(int side) override { return host(side) + ":0"; }
  std::string nobody_address() override { return host(1) + ":9"; }
  std::string silent_address() override { return "nowhere:1"; }
  Result<std::unique_ptr<runtime::Loop>> make_loop() override { return runtime::Loop::create({.clock = &clock_}); }

 private:
  [[nodiscard]] std::string host(int side) const { return side == 0 || one_host_ ? "left" : "right"; }

  const bool one_host_;
  SimClock clock_;
  sim::Network network_{clock_, {.seed = test_seed()}};
  std::unique_ptr<Domain> domains_[2];
};

template <bool one_host>
Result<std::unique_ptr<Fixture>> make() {
  return std::make_unique<SimFixture>(one_host);
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{
      {.name = "sim", .threads = false, .processes = false, .skip = nullptr, .make = make<false>},
      {.name = "sim_one_host", .threads = false, .processes = false, .skip = nullptr, .make = make<true>},
  };
  return all;
}

}  // namespace ross::fabric::conformance
