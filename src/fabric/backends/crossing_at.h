// CrossingAt: a domain whose users change over from messages to windows at another size than its backend says: to measure
// where it pays, and to test both ways at every size.
//
// Threading: as the domain it stands for.
#pragma once

#include <memory>

#include "fabric/endpoint.h"

namespace ross::fabric {

class CrossingAt final : public Domain {
 public:
  CrossingAt(std::unique_ptr<Domain> domain, std::size_t inline_bytes_max)
      : domain_(std::move(domain)), traits_(domain_->traits()) {
    traits_.inline_bytes_max = inline_bytes_max;
  }
  [[nodiscard]] const Traits& traits() const override { return traits_; }
  Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) override {
    return domain_->open(loop, options);
  }
  Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) override {
    return domain_->add_region(memory);
  }

 private:
  const std::unique_ptr<Domain> domain_;
  Traits traits_;
};

}  // namespace ross::fabric
