// Goal: who calls over loopback is who the kernel says, and nobody else gets a name.
// Method: peers' names as gRPC writes them, and tables as the kernel writes them, real and damaged.
#include "server/control/identity.h"

#include <gtest/gtest.h>

#include "server/control/loopback.h"

namespace ross::server::control {
namespace {

constexpr std::string_view kTable =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1D2E 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n"
    "   1: 0100007F:C350 0100007F:1D2E 01 00000000:00000000 00:00000000 00000000  1001        0 2 1 0 20 4 30 10 -1\n"
    "   2: 0100007F:C351 0100007F:1D2E 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0\n"
    "   3: 0100007F:C352 0100007F:1D2E 01\n"
    "   4: 0100007F:C353 0100007F:1D2E 01 00000000:00000000 00:00000000 00000000  none        0 2 1 0 20 4 30 10 -1\n";

TEST(SocketOwner, IsTheOneOfTheEstablishedSocket) {
  EXPECT_EQ(*socket_owner(kTable, "0100007F:C350"), 1001U);
  // Listening, past its end, cut short, without a number, not there.
  for (const std::string_view address :
       {"0100007F:1D2E", "0100007F:C351", "0100007F:C352", "0100007F:C353", "0100007F:C354", ""}) {
    EXPECT_FALSE(socket_owner(kTable, address).has_value()) << address;
  }
  EXPECT_FALSE(socket_owner("", "0100007F:C350").has_value());
}

TEST(LoopbackAddress, IsWrittenAsTheKernelWritesIt) {
  const auto ipv4 = loopback_address("ipv4:127.0.0.1:50000");
  ASSERT_TRUE(ipv4.has_value());
  EXPECT_EQ(ipv4->in_tcp, "0100007F:C350");
  EXPECT_EQ(ipv4->in_tcp6, "0000000000000000FFFF00000100007F:C350");
  const auto ipv6 = loopback_address("ipv6:%5B::1%5D:50000");
  ASSERT_TRUE(ipv6.has_value());
  EXPECT_EQ(ipv6->in_tcp, "");
  EXPECT_EQ(ipv6->in_tcp6, "00000000000000000000000001000000:C350");
  EXPECT_TRUE(loopback_address("ipv6:[::1]:1").has_value());
}

TEST(LoopbackAddress, IsNoOther) {
  for (const std::string_view peer : {"ipv4:10.0.0.1:5", "ipv4:127.0.0.1", "ipv4:127.0.0.1:", "ipv4:127.0.0.1:70000",
                                      "ipv4:127.0.0.1:5x", "ipv4:1270.0.1:5", "ipv6:%5B::2%5D:5",
                                      "ipv6:%5B::ffff:10.0.0.1%5D:5", "unix:/tmp/x", "unix:", "", ":", "127.0.0.1:5"}) {
    EXPECT_FALSE(loopback_address(peer).has_value()) << peer;
  }
  // No more of a text counts than is read as an address.
  for (const std::string_view host :
       {std::string_view("ipv4:127.0.0.1\0.example", 22), std::string_view("ipv6:[::1\0]", 11)}) {
    EXPECT_FALSE(loopback_address(std::string(host) + ":5").has_value()) << host;
  }
  EXPECT_FALSE(is_loopback(std::string_view("127.0.0.1\0:5", 12)).has_value());
}

TEST(CredentialFor, OnlyRootActsForOthers) {
  const fabric::Peer root{};
  const fabric::Peer user{.pid = 0, .uid = 1000, .gid = 100, .groups = {100, 27}};
  const std::vector<std::uint32_t> own = {100, 27};
  const std::vector<std::uint32_t> roots = {0};
  EXPECT_EQ(credential_for(root, 5, 6, own)->uid, 5U);
  EXPECT_EQ(credential_for(user, 1000, 27, own)->groups.size(), 2U);
  EXPECT_EQ(credential_for(user, 0, 100, own).error().error(), EPERM);
  EXPECT_EQ(credential_for(user, 1000, 0, own).error().error(), EPERM);
  EXPECT_EQ(credential_for(user, 1000, 100, roots).error().error(), EPERM);
  EXPECT_EQ(credential_for(root, 0, 0, std::vector<std::uint32_t>(1025, 1)).error().error(), EINVAL);
}

}  // namespace
}  // namespace ross::server::control
