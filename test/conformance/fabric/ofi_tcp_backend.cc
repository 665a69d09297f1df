// libfabric's tcp;ofi_rxm in the suite, as it is and with the demands of a network card.
#include <netinet/in.h>
#include <rdma/fi_domain.h>
#include <sys/socket.h>

#include "conformance/fabric/ofi_backend.h"
#include "fabric/local/socket.h"

namespace ross::fabric::conformance {
namespace {

class OfiTcpFixture final : public OfiFixture {
 public:
  using OfiFixture::OfiFixture;
  std::string listen_address(int) override { return "127.0.0.1:0"; }
  // Bound and not listened at: the kernel refuses, and gives the port to nobody else.
  std::string nobody_address() override { return place(nobody_, false); }
  // Listened at by somebody who never accepts: the kernel completes the connection.
  std::string silent_address() override { return place(silent_, true); }

 private:
  static std::string place(Socket& socket, bool listens) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!socket) {
      socket = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ROSS_CHECK(::bind(socket.fd(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
      if (listens) ROSS_CHECK(::listen(socket.fd(), 16) == 0);
    }
    socklen_t size = sizeof address;
    ROSS_CHECK(::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

  Socket nobody_;
  Socket silent_;
};

Result<std::unique_ptr<Fixture>> make() {
  return OfiFixture::make<OfiTcpFixture>({.provider = "ofi+tcp", .node = "127.0.0.1"});
}
// Local memory is registered or copied through memory that is, windows share their regions' keys, nobody is asked first.
Result<std::unique_ptr<Fixture>> make_like_a_card() {
  return OfiFixture::make<OfiTcpFixture>(
      {.provider = "ofi+tcp", .node = "127.0.0.1", .mr_mode_for_test = FI_MR_LOCAL | FI_MR_PROV_KEY});
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "ofi_tcp", .make = make},
                                        {.name = "ofi_tcp_like_a_card", .make = make_like_a_card}};
  return all;
}

}  // namespace ross::fabric::conformance
