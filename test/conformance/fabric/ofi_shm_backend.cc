// libfabric's shm in the suite.
#include <unistd.h>

#include <filesystem>

#include "conformance/fabric/ofi_backend.h"
#include "fabric/local/socket.h"

namespace ross::fabric::conformance {
namespace {

class OfiShmFixture final : public OfiFixture {
 public:
  using OfiFixture::OfiFixture;
  ~OfiShmFixture() override { std::filesystem::remove_all(directory_); }
  std::string listen_address(int) override { return place(); }
  std::string nobody_address() override { return place(); }
  // Listened at by somebody who never accepts.
  std::string silent_address() override {
    const std::string at = place();
    auto listener = listen_at(at);
    ROSS_CHECK(listener.has_value());
    silent_ = *std::move(listener);
    return at;
  }

 private:
  std::string place() {
    if (directory_.empty()) {
      char made[] = "/tmp/ross-ofi-suite-XXXXXX";
      ROSS_CHECK(::mkdtemp(made) != nullptr);
      directory_ = made;
    }
    return directory_ + "/" + std::to_string(number_++);
  }

  std::string directory_;
  int number_ = 0;
  Socket silent_;
};

Result<std::unique_ptr<Fixture>> make() { return OfiFixture::make<OfiShmFixture>({.provider = "ofi+shm"}); }

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "ofi_shm", .make = make}};
  return all;
}

}  // namespace ross::fabric::conformance
