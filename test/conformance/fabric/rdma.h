// Where tests over RDMA find a card, real or emulated: ROSS_RDMA_ADDRESS names the IPv4 address of its interface.
// test/rdma sets it, and so can whoever has a card.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "fabric/endpoint.h"
#include "runtime/loop.h"

namespace ross::fabric::conformance {

// Empty: this run is told of no card.
inline std::string rdma_address() {
  const char* const address = std::getenv("ROSS_RDMA_ADDRESS");
  return address != nullptr ? address : "";
}

// Why a test over RDMA does not run; empty: it does.
inline std::string skip_without_rdma() {
  return rdma_address().empty() ? "no RDMA address: set ROSS_RDMA_ADDRESS to that of a card's interface" : "";
}

// The discard service's: below the ports that are given out, and asked for by nobody. Ports of RDMA are none of TCP, so that a
// socket of ours would hold no place there.
inline constexpr const char* kNobodysPort = ":9";

// Listens at an address by the backend's own means and never looks, for its loop is never driven.
class Mute final : public Acceptor {
 public:
  // Empty: it cannot be had. The domain outlives this.
  std::string address_at(Domain& domain, const std::string& listen) {
    if (endpoint_ == nullptr) {
      auto loop = runtime::Loop::create();
      if (!loop.has_value()) return {};
      loop_ = *std::move(loop);
      auto endpoint = domain.open(*loop_, {.limits = {}, .listen = listen, .acceptor = this});
      if (!endpoint.has_value()) return {};
      endpoint_ = *std::move(endpoint);
    }
    return endpoint_->address();
  }
  void on_channel(std::unique_ptr<Channel>) override {}

 private:
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<Endpoint> endpoint_;
};

}  // namespace ross::fabric::conformance
