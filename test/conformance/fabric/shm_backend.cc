// The suite on shared memory: with copies between processes where the suite's memory allows it, and through the rings alone, as
// between users.
#include <stdlib.h>

#include <filesystem>

#include "base/random.h"
#include "conformance/fabric/backend.h"
#include "fabric/local/socket.h"
#include "fabric/shm/domain.h"

namespace ross::fabric::conformance {
namespace {

class ShmFixture final : public Fixture {
 public:
  explicit ShmFixture(std::filesystem::path directory) : directory_(std::move(directory)) {}
  ~ShmFixture() override { std::filesystem::remove_all(directory_); }

  Status make(const shm::ShmOptions& options) {
    for (auto& domain : domains_) {
      auto made = shm::make_domain(options);
      if (!made.has_value()) return std::move(made).error();
      domain = *std::move(made);
    }
    return {};
  }
  Domain& domain(int side) override { return *domains_[side]; }
  std::string listen_address(int) override { return place(); }
  std::string nobody_address() override { return place(); }
  std::string silent_address() override {
    const std::string path = place();
    auto listener = listen_at(path);
    if (!listener.has_value()) return {};
    silent_.push_back(*std::move(listener));
    return path;
  }

 private:
  // The name is random: the child of a fork has a copy of this fixture.
  std::string place() { return directory_ / std::to_string(random_seed()); }

  const std::filesystem::path directory_;
  std::unique_ptr<Domain> domains_[2];
  std::vector<Socket> silent_;
};

Result<std::unique_ptr<Fixture>> make_fixture(const shm::ShmOptions& options) {
  char directory[] = "/tmp/ross-shm-XXXXXX";
  if (::mkdtemp(directory) == nullptr) return fail(errno, "cannot make a directory in /tmp");
  auto fixture = std::make_unique<ShmFixture>(directory);
  ROSS_OK(fixture->make(options));
  return fixture;
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all = {
      {.name = "shm", .make = [] { return make_fixture({}); }},
      {.name = "shm_rings", .make = [] { return make_fixture({.direct = false}); }},
      {.name = "shm_small_rings", .make = [] { return make_fixture({.ring_bytes = 16 * kKiB, .direct = false}); }},
  };
  return all;
}

}  // namespace ross::fabric::conformance
