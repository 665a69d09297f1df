// Goal: what is on the list is revoked and nothing else is; the list that is written is the list that is read.
#include "identity/revocations.h"

#include <gtest/gtest.h>

namespace ross::identity {
namespace {

Principal certificate(const std::string& tenant, const std::string& serial, std::int64_t issued_s) {
  Principal who{.tenant = std::make_shared<const Tenant>(Tenant{.name = tenant, .read = {"p/*"}})};
  who.credential = {.kind = Credential::Kind::kCertificate, .id = serial, .issued_s = issued_s};
  return who;
}
Principal user(const std::string& tenant) {
  Principal who = certificate(tenant, "1000", 0);
  who.credential.kind = Credential::Kind::kUser;
  return who;
}

TEST(Revocations, ATenantLosesWhatItWasGivenUntilThen) {
  Revocations list;
  list.revoke_tenant("a", 100);
  EXPECT_TRUE(list.revoked(certificate("a", "1", 99)));
  EXPECT_TRUE(list.revoked(certificate("a", "1", 100)));
  EXPECT_FALSE(list.revoked(certificate("a", "1", 101)));
  EXPECT_FALSE(list.revoked(certificate("b", "1", 99)));
  EXPECT_TRUE(list.revoked(user("a")));
  EXPECT_FALSE(list.revoked(Principal{}));
  // Restored, its users are back; what was given before is not.
  EXPECT_TRUE(list.restore_tenant("a"));
  EXPECT_FALSE(list.restore_tenant("a"));
  EXPECT_FALSE(list.restore_tenant("b"));
  EXPECT_FALSE(list.revoked(user("a")));
  EXPECT_TRUE(list.revoked(certificate("a", "1", 100)));
}

TEST(Revocations, ACredentialAlone) {
  Revocations list;
  list.revoke_certificate("4F");
  EXPECT_TRUE(list.revoked(certificate("a", "4F", 5)));
  EXPECT_FALSE(list.revoked(certificate("a", "4E", 5)));
  Principal token = certificate("a", "4F", 5);
  token.credential.kind = Credential::Kind::kToken;
  EXPECT_FALSE(list.revoked(token));
  list.revoke_token("4F");
  EXPECT_TRUE(list.revoked(token));
}

TEST(Revocations, AnAgentTakesThoseItSpeaksForAlong) {
  Principal host = certificate("a", "77", 50);
  host.agent = "agent";
  Revocations list;
  EXPECT_FALSE(list.revoked(host));
  list.revoke_tenant("agent", 50);
  EXPECT_TRUE(list.revoked(host));
  Revocations other;
  other.revoke_tenant("a", 10);  // the certificate of 50 is the agent's
  EXPECT_TRUE(other.revoked(host));
}

TEST(Revocations, WhatIsWrittenIsRead) {
  Revocations list;
  list.revoke_tenant("a", 100);
  list.revoke_tenant("b", 200);
  EXPECT_TRUE(list.restore_tenant("b"));
  list.revoke_certificate("4F");
  list.revoke_token("9b");
  const auto again = Revocations::parse(list.text(), "x");
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ(*again, list);
  EXPECT_TRUE(Revocations::parse(" # nothing\n\n", "x").has_value());
  for (const std::string_view bad : {"tenant a\n", "tenant a x\n", "tenant a 5 6\n", "tenant a/b 5\n", "tenant a -5\n",
                                     "certificate\n", "serial 4F\n", "token 1 2\n"}) {
    const auto read = Revocations::parse("# head\n" + std::string(bad), "x");
    ASSERT_FALSE(read.has_value()) << bad;
    EXPECT_NE(read.error().message().find("x line 2: write"), std::string::npos) << read.error().message();
  }
}

}  // namespace
}  // namespace ross::identity
