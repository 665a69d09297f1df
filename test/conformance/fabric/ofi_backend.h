// What the libfabric backend's programs of the suite share.
#pragma once

#include <memory>
#include <utility>

#include "conformance/fabric/backend.h"
#include "fabric/ofi/ofi.h"

namespace ross::fabric::conformance {

// Two domains of one provider.
class OfiFixture : public Fixture {
 public:
  OfiFixture(std::unique_ptr<Domain> first, std::unique_ptr<Domain> second)
      : domains_{std::move(first), std::move(second)} {}
  Domain& domain(int side) override { return *domains_[side]; }

  template <class Made>
  static Result<std::unique_ptr<Fixture>> make(const ofi::Options& options) {
    ROSS_TRY(auto first, ofi::make_domain(options));
    ROSS_TRY(auto second, ofi::make_domain(options));
    return std::make_unique<Made>(std::move(first), std::move(second));
  }

 private:
  const std::unique_ptr<Domain> domains_[2];
};

}  // namespace ross::fabric::conformance
