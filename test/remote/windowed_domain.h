// WindowedDomain: a domain that says windows are worth it from a size of the test's choice on.
//
// Threading: any thread.
#pragma once

#include <memory>

#include "fabric/endpoint.h"

namespace ross::remote_test {

class WindowedDomain final : public fabric::Domain {
 public:
  WindowedDomain(std::unique_ptr<fabric::Domain> domain, std::size_t inline_bytes_max)
      : domain_(std::move(domain)), traits_(domain_->traits()) {
    traits_.inline_bytes_max = inline_bytes_max;
  }
  const fabric::Traits& traits() const override { return traits_; }
  Result<std::unique_ptr<fabric::Endpoint>> open(runtime::Loop& loop, const fabric::EndpointOptions& options) override {
    return domain_->open(loop, options);
  }
  Result<std::unique_ptr<fabric::Region>> add_region(std::span<std::byte> memory) override {
    return domain_->add_region(memory);
  }

 private:
  const std::unique_ptr<fabric::Domain> domain_;
  fabric::Traits traits_;
};

}  // namespace ross::remote_test
