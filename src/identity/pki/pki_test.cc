// Goal: what the authority issues says what was asked for and is believed; what was changed in any bit is not.
// Method: a folder for each test, a simulated clock; every bit of a token and every cut of it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/read_file.h"
#include "identity/pki/authority.h"
#include "identity/pki/certificate.h"
#include "identity/pki/token.h"

namespace ross::identity {
namespace {

class PkiTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = Authority::init(folder, 10, clock);
    ASSERT_TRUE(made.has_value()) << made.error().message();
    authority = std::make_unique<Authority>(*std::move(made));
    public_pem = *read_file(authority->path("token.pub"));
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::int64_t now_s() const { return clock.realtime_ns() / 1'000'000'000; }
  mode_t mode_of(const std::string& file) const {
    struct stat stat {};
    EXPECT_EQ(::stat(authority->path(file).c_str(), &stat), 0) << file;
    return stat.st_mode & 0777;
  }

  const std::string folder = testing::TempDir() + "ross_pki." + std::to_string(::getpid());
  SimClock clock;
  std::unique_ptr<Authority> authority;
  std::string public_pem;
};

TEST_F(PkiTest, KeysAreForTheirOwnerAlone) {
  ASSERT_TRUE(authority->issue_tenant("training", 5).has_value());
  for (const char* const file : {"ca.key", "token.key", "training.key"}) EXPECT_EQ(mode_of(file), 0600U) << file;
  EXPECT_EQ(Authority::init(folder, 10, clock).error().error(), EEXIST);
  EXPECT_NE(Authority::open(folder + "/x").error().message().find("ross auth init"), std::string::npos);
}

TEST_F(PkiTest, ATenantsCertificateNamesIt) {
  const auto issued = authority->issue_tenant("training", 5);
  ASSERT_TRUE(issued.has_value()) << issued.error().message();
  const auto facts = read_certificate(*read_file(authority->path("training.pem")));
  ASSERT_TRUE(facts.has_value()) << facts.error().message();
  EXPECT_EQ(facts->tenant, "training");
  EXPECT_EQ(facts->credential.id, issued->serial);
  EXPECT_EQ(facts->credential.issued_s, now_s());
  EXPECT_EQ(facts->credential.expires_s, now_s() + 5 * 86400);
  ASSERT_TRUE(authority->issue_server("engine", {"10.0.0.7", "engine.local", "::1"}, 5).has_value());
  EXPECT_EQ(read_certificate(*read_file(authority->path("engine.pem")))->tenant, "");
  EXPECT_EQ(authority->issued()->size(), 2U);
  EXPECT_FALSE(read_certificate("nothing").has_value());
  for (const char* const name : {"", "a/b", "ca", "token", "a b"}) {
    EXPECT_EQ(authority->issue_tenant(name, 5).error().error(), EINVAL) << name;
  }
  EXPECT_EQ(authority->issue_server("e", {}, 5).error().error(), EINVAL);
  EXPECT_EQ(authority->issue_server("e", {"x,URI:ross:tenant:root"}, 5).error().error(), EINVAL);
}

TEST_F(PkiTest, WhatIsIssuedAfterARevocationCounts) {
  ASSERT_TRUE(authority->issue_tenant("a", 5).has_value());
  const auto principal = [&] {
    const auto facts = read_certificate(*read_file(authority->path("a.pem")));
    return Principal{.tenant = std::make_shared<const Tenant>(Tenant{.name = "a", .read = {"p/*"}}),
                     .credential = facts->credential};
  };
  const Principal before = principal();
  ASSERT_TRUE(authority->revoke_tenant("a").ok());
  EXPECT_TRUE(authority->revocations()->revoked(before));
  ASSERT_TRUE(authority->issue_tenant("a", 5).has_value());
  EXPECT_FALSE(authority->revocations()->revoked(principal()));
  ASSERT_TRUE(authority->revoke_certificate(principal().credential.id).ok());
  EXPECT_TRUE(authority->revocations()->revoked(principal()));
  EXPECT_EQ(authority->revoke_certificate("77").error(), ENOENT);
  EXPECT_TRUE(authority->restore_tenant("a").ok());
  EXPECT_TRUE(authority->revocations()->revoked(before));
  EXPECT_EQ(authority->restore_tenant("b").error(), ENOENT);
}

TEST_F(PkiTest, ATokenSaysWhatItWasMadeFor) {
  const auto token = authority->issue_token("training", {.access = Access::kRead, .lifetime_s = 60, .once = true});
  ASSERT_TRUE(token.has_value()) << token.error().message();
  const auto facts = verify_token(*token, public_pem);
  ASSERT_TRUE(facts.has_value()) << facts.error().message();
  EXPECT_EQ(facts->tenant, "training");
  EXPECT_EQ(facts->credential.access, Access::kRead);
  EXPECT_EQ(facts->credential.issued_s, now_s());
  EXPECT_EQ(facts->credential.expires_s, now_s() + 60);
  EXPECT_TRUE(facts->credential.once);
  EXPECT_FALSE(verify_token(*authority->issue_token("training", {}), public_pem)->credential.once);
  EXPECT_EQ(authority->issue_token("training", {.lifetime_s = 0}).error().error(), EINVAL);
  EXPECT_EQ(authority->issue_token("training", {.lifetime_s = 8 * 86400}).error().error(), EINVAL);
}

TEST_F(PkiTest, ATokenThatWasAlteredIsNone) {
  const std::string token = *authority->issue_token("training", {});
  for (std::size_t at = 0; at < token.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string other = token;
      other[at] = static_cast<char>(other[at] ^ 1 << bit);
      EXPECT_FALSE(verify_token(other, public_pem).has_value()) << at << " " << bit;
    }
    EXPECT_FALSE(verify_token(token.substr(0, at), public_pem).has_value()) << at;
  }
  EXPECT_FALSE(verify_token(token + "A", public_pem).has_value());
  EXPECT_FALSE(verify_token(std::string(5000, 'A'), public_pem).has_value());
  const auto other_key = make_token_keys();
  EXPECT_EQ(verify_token(token, other_key->public_pem).error().error(), EACCES);
  EXPECT_EQ(verify_token(token, "no key").error().error(), EINVAL);
}

}  // namespace
}  // namespace ross::identity
