// The unix backend in the suite.
#include <filesystem>

#include "conformance/fabric/backend.h"
#include "fabric/local/socket.h"
#include "fabric/local/unix_domain.h"

namespace ross::fabric::conformance {
namespace {

class UnixFixture final : public Fixture {
 public:
  UnixFixture(std::unique_ptr<Domain> domain, std::filesystem::path root)
      : domain_(std::move(domain)), root_(std::move(root)) {}
  ~UnixFixture() override {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  Domain& domain(int) override { return *domain_; }
  std::string listen_address(int) override { return root_ / ("listen-" + std::to_string(++last_)); }
  std::string nobody_address() override { return root_ / "nobody"; }
  // Listened at by somebody who never accepts: the kernel completes the connection.
  std::string silent_address() override {
    const std::filesystem::path path = root_ / "silent";
    if (!silent_) {
      Result<Socket> listening = listen_at(path);
      ROSS_CHECK(listening.has_value());
      silent_ = *std::move(listening);
    }
    return path;
  }

 private:
  const std::unique_ptr<Domain> domain_;
  const std::filesystem::path root_;
  int last_ = 0;
  Socket silent_;
};

Result<std::unique_ptr<Fixture>> make() {
  std::string root = std::filesystem::temp_directory_path() / "ross-fabric-XXXXXX";
  if (::mkdtemp(root.data()) == nullptr) return fail(errno);
  ROSS_TRY(auto domain, local::make_domain({}));
  return std::make_unique<UnixFixture>(std::move(domain), root);
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "local", .make = make}};
  return all;
}

}  // namespace ross::fabric::conformance
