// libfabric's shm in the suite.
#include <unistd.h>

#include "conformance/fabric/ofi_backend.h"

namespace ross::fabric::conformance {
namespace {

class OfiShmFixture final : public OfiFixture {
 public:
  using OfiFixture::OfiFixture;
  std::string listen_address(int) override { return name(); }
  std::string nobody_address() override { return name(); }

 private:
  static std::string name() {
    static int number = 0;
    return "suite-" + std::to_string(::getpid()) + "-" + std::to_string(number++);
  }
};

Result<std::unique_ptr<Fixture>> make() { return OfiFixture::make<OfiShmFixture>({.provider = "ofi+shm"}); }

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "ofi_shm", .make = make}};
  return all;
}

}  // namespace ross::fabric::conformance
