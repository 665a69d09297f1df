// Goal: a tenant's rights are those that its patterns say, and a tenant that makes no sense is refused with what to write.
#include "identity/tenant.h"

#include <gtest/gtest.h>

namespace ross::identity {
namespace {

TEST(Tenant, PatternsMeanWhatTheySay) {
  EXPECT_TRUE(matches("pool0/*", "pool0/train"));
  EXPECT_TRUE(matches("*/*", "a/b"));
  EXPECT_TRUE(matches("pool?/train-*-x", "pool7/train-a-b-x"));
  EXPECT_TRUE(matches("p/c", "p/c"));
  EXPECT_FALSE(matches("p/c", "p/cc"));
  EXPECT_FALSE(matches("p/c?", "p/c"));
  EXPECT_FALSE(matches("*", "p/c"));  // a '*' ends where a name does
  EXPECT_FALSE(matches("p?c", "p/c"));
  EXPECT_FALSE(matches("p*/d", "p/c/d"));
  EXPECT_FALSE(matches("", "p"));
  EXPECT_TRUE(matches("a*b*c", "aXbYbZc"));
}

TEST(Tenant, TheHighestRightCounts) {
  const Tenant tenant{.name = "t", .read = {"p/*", "q/open"}, .write = {"p/mine-*"}, .admin = {"p/mine-tmp"}};
  EXPECT_EQ(tenant.access("p", "other"), Access::kRead);
  EXPECT_EQ(tenant.access("p", "mine-1"), Access::kWrite);
  EXPECT_EQ(tenant.access("p", "mine-tmp"), Access::kAdmin);
  EXPECT_EQ(tenant.access("q", "closed"), Access::kNone);
  EXPECT_EQ(tenant.access("r", "x"), Access::kNone);
  EXPECT_TRUE(tenant.uses("q"));
  EXPECT_FALSE(tenant.uses("r"));
  EXPECT_FALSE(tenant.administers());
  EXPECT_FALSE(tenant.may_speak_for("t"));
}

TEST(Tenant, RefusesWhatMakesNoSense) {
  const std::pair<Tenant, std::string_view> cases[] = {
      {{.name = "", .read = {"p/*"}}, "cannot be a tenant's name"},
      {{.name = "a b", .read = {"p/*"}}, "cannot be a tenant's name"},
      {{.name = std::string(65, 'a'), .read = {"p/*"}}, "cannot be a tenant's name"},
      {{.name = "t", .read = {"p"}}, "'p' names no containers: write POOL/CONTAINER"},
      {{.name = "t", .write = {"p/c/d"}}, "names no containers"},
      {{.name = "t", .admin = {"/c"}}, "names no containers"},
      {{.name = "t"}, "may do nothing"},
      {{.name = "t", .read = {"p/*"}, .limits = {.bytes_burst = 5}}, "a burst without a limit"},
      {{.name = "t", .read = {"p/*"}, .limits = {.ops_burst = 5}}, "a burst without a limit"},
      {{.name = "t", .read = {"p/*"}, .weight = 0}, "the weight 0"},
      {{.name = "t", .read = {"p/*"}, .weight = 10'001}, "write 1 to 10000"},
  };
  for (const auto& [tenant, says] : cases) {
    EXPECT_NE(complaint_about(tenant).find(says), std::string::npos) << complaint_about(tenant);
  }
  EXPECT_EQ(complaint_about({.name = "agent-1", .on_behalf = {"*"}}), "");
  for (const Access access : {Access::kNone, Access::kRead, Access::kWrite, Access::kAdmin}) {
    EXPECT_EQ(access_of(to_word(access)), access);
  }
  EXPECT_EQ(access_of("all"), std::nullopt);
}

}  // namespace
}  // namespace ross::identity
