// libfabric's verbs;ofi_rxm in the suite, where there is an RDMA card (rdma.h).
#include "conformance/fabric/ofi_backend.h"
#include "conformance/fabric/rdma.h"

namespace ross::fabric::conformance {
namespace {

class OfiVerbsFixture final : public OfiFixture {
 public:
  using OfiFixture::OfiFixture;
  std::string listen_address(int) override { return rdma_address() + ":0"; }
  std::string nobody_address() override { return rdma_address() + kNobodysPort; }
  std::string silent_address() override { return mute_.address_at(domain(0), rdma_address() + ":0"); }

 private:
  Mute mute_;
};

Result<std::unique_ptr<Fixture>> make() {
  return OfiFixture::make<OfiVerbsFixture>({.provider = "ofi+verbs", .node = rdma_address()});
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "ofi_verbs", .skip = skip_without_rdma, .make = make}};
  return all;
}

}  // namespace ross::fabric::conformance
