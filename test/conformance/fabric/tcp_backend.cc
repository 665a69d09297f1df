// The tcp backend in the suite.
#include <netinet/in.h>
#include <sys/socket.h>

#include "conformance/fabric/backend.h"
#include "fabric/local/socket.h"
#include "fabric/tcp/tcp.h"

namespace ross::fabric::conformance {
namespace {

class TcpFixture final : public Fixture {
 public:
  TcpFixture(std::unique_ptr<Domain> first, std::unique_ptr<Domain> second)
      : domains_{std::move(first), std::move(second)} {}
  Domain& domain(int side) override { return *domains_[side]; }
  std::string listen_address(int) override { return "127.0.0.1:0"; }
  // Bound and not listened at: the kernel refuses, and gives the port to nobody else.
  std::string nobody_address() override { return place(nobody_, false); }
  // Listened at by somebody who never accepts: the kernel completes the connection.
  std::string silent_address() override { return place(silent_, true); }

 private:
  static std::string place(Socket& socket, bool listens) {
    if (!socket) {
      socket = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      ROSS_CHECK(::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
      if (listens) ROSS_CHECK(::listen(socket.fd(), 16) == 0);
    }
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ROSS_CHECK(::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

  const std::unique_ptr<Domain> domains_[2];
  Socket nobody_;
  Socket silent_;
};

Result<std::unique_ptr<Fixture>> make() {
  ROSS_TRY(auto first, tcp::make_domain({}));
  ROSS_TRY(auto second, tcp::make_domain({}));
  return std::make_unique<TcpFixture>(std::move(first), std::move(second));
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "tcp", .make = make}};
  return all;
}

}  // namespace ross::fabric::conformance
