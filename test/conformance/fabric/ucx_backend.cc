// The suite over UCX, with the transport that the program is built for: tcp and shared memory run everywhere. RDMA runs where
// a card is, emulated or not (rdma.h), and ROSS_UCX_SETTINGS may hold settings of UCX ("NET_DEVICES=rxe0:1 IB_GID_INDEX=0").
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "conformance/fabric/backend.h"
#include "conformance/fabric/rdma.h"
#include "fabric/local/socket.h"
#include "fabric/ucx/domain.h"

namespace ross::fabric::conformance {
namespace {

constexpr std::string_view kTransport = ROSS_UCX_TRANSPORT;
constexpr bool kByPath = kTransport == "shm";
constexpr bool kRdma = kTransport == "rc";

std::string host() { return kRdma ? rdma_address() : "127.0.0.1"; }

ucx::Options options() {
  ucx::Options made{.transport = "ucx+" + std::string(kTransport), .settings = {}};
  const char* const settings = std::getenv("ROSS_UCX_SETTINGS");
  std::istringstream words(settings != nullptr ? settings : "");
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    made.settings.emplace_back(word.substr(0, equals), equals == std::string::npos ? "" : word.substr(equals + 1));
  }
  return made;
}

class UcxFixture final : public Fixture {
 public:
  ~UcxFixture() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  Status set_up() {
    for (auto& domain : domains_) {
      Result<std::unique_ptr<Domain>> made = ucx::make_domain(options());
      if (!made.has_value()) return made.error();
      domain = *std::move(made);
    }
    if (kByPath) {
      std::string made = std::filesystem::temp_directory_path() / "ross-ucx-XXXXXX";
      if (::mkdtemp(made.data()) == nullptr) return Status(errno);
      directory_ = made;
      return {};
    }
    if (kRdma) {
      nobody_address_ = host() + kNobodysPort;
      return {};
    }
    Result<std::string> nobody = reserve(nobody_, false);
    if (!nobody.has_value()) return nobody.error();
    nobody_address_ = *std::move(nobody);
    return {};
  }

  Domain& domain(int side) override { return *domains_[side]; }
  std::string listen_address(int /*side*/) override { return kByPath ? path() : host() + ":0"; }
  std::string nobody_address() override { return kByPath ? path() : nobody_address_; }

  std::string silent_address() override {
    if (kRdma) return mute_.address_at(*domains_[0], host() + ":0");
    if (kByPath) {
      const std::string at = path();
      Result<Socket> made = listen_at(at);
      if (!made.has_value()) return {};
      silent_ = *std::move(made);
      return at;
    }
    return reserve(silent_, true).value_or("");
  }

 private:
  std::string path() { return fmt::format("{}/{}", directory_.string(), ++paths_); }

  // A port that is ours: with nobody listening behind it, or somebody who never answers.
  static Result<std::string> reserve(Socket& into, bool listens) {
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    ::inet_pton(AF_INET, host().c_str(), &at.sin_addr);
    socklen_t size = sizeof at;
    if (!socket || ::bind(socket.fd(), reinterpret_cast<sockaddr*>(&at), size) != 0 ||
        (listens && ::listen(socket.fd(), 16) != 0) ||
        ::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&at), &size) != 0) {
      return fail(errno);
    }
    into = std::move(socket);
    return fmt::format("{}:{}", host(), ntohs(at.sin_port));
  }

  std::unique_ptr<Domain> domains_[2];
  std::filesystem::path directory_;
  int paths_ = 0;
  Socket nobody_;
  std::string nobody_address_;
  Socket silent_;
  Mute mute_;
};

Result<std::unique_ptr<Fixture>> make() {
  auto fixture = std::make_unique<UcxFixture>();
  if (const Status status = fixture->set_up(); !status.ok()) return fail(status);
  return fixture;
}

std::string skip() { return kRdma ? skip_without_rdma() : ""; }

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "ucx_" + std::string(kTransport), .skip = skip, .make = make}};
  return all;
}

}  // namespace ross::fabric::conformance
