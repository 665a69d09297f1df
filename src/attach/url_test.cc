// Goal: every text is either a URL with the parts it plainly names or a clear EINVAL.
// Method: tables of good and hostile texts, and a sweep of random bytes through the parser's invariants.
#include <gtest/gtest.h>

#include <string>

#include "attach/attach.h"
#include "base/random.h"

namespace ross::attach {
namespace {

struct Good {
  std::string_view text;
  std::string_view pool;
  std::string_view container;
};

TEST(ParseUrl, TakesWhatItShould) {
  const Good cases[] = {
      {"local:/srv/ross/pool0/datasets", "/srv/ross/pool0", "datasets"},
      {"/srv/ross/pool0/datasets", "/srv/ross/pool0", "datasets"},
      {"local:/srv/ross/pool0/datasets///", "/srv/ross/pool0", "datasets"},
      {"local:/srv/ross/pool0//datasets", "/srv/ross/pool0", "datasets"},
      {"local:pool0/datasets", "pool0", "datasets"},
      {"./pool:0/data:sets", "./pool:0", "data:sets"},
      {"/a:b/c", "/a:b", "c"},
      {"local:/c", "/", "c"},
      {"local:/srv/p/with space", "/srv/p", "with space"},
      {"local:/srv/p/\xff\xfe", "/srv/p", "\xff\xfe"},
  };
  for (const Good& good : cases) {
    const Result<Url> url = parse_url(good.text, true);
    ASSERT_TRUE(url.has_value()) << good.text << ": " << url.error().message();
    EXPECT_EQ(url->scheme, "local") << good.text;
    EXPECT_EQ(url->pool, good.pool) << good.text;
    EXPECT_EQ(url->container, good.container) << good.text;
  }
}

TEST(ParseUrl, WithoutContainerTheWholePathIsThePool) {
  const Result<Url> url = parse_url("local:/srv/ross/pool0/", false);
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->pool, "/srv/ross/pool0");
  EXPECT_EQ(url->container, "");
  EXPECT_EQ(parse_url("pool0", false)->pool, "pool0");
  EXPECT_EQ(parse_url("/", false)->pool, "/");
}

TEST(ParseUrl, RefusesWhatItCannotMean) {
  using namespace std::string_view_literals;
  const std::string_view cases[] = {
      "",
      "local:",
      "local:/",
      "/",
      "///",
      "pool0",
      "local:pool0",
      "http://h/p/c",
      "LOCAL:/p/c",
      "local://host/p/c",
      "/p/..",
      "/p/.",
      "/p/c/..",
      "loc al:x",
      "/p/a\nb",
      "/p\x7f/c",
      "/p/c\0"sv,
      "\0/p/c"sv,
      "/p/\x1b[31mred",
      "local:\t/p/c",
  };
  for (const std::string_view text : cases) {
    const Result<Url> url = parse_url(text, true);
    ASSERT_FALSE(url.has_value()) << text;
    EXPECT_EQ(url.error().error(), EINVAL) << text;
    EXPECT_NE(url.error().message().find("local:"), std::string::npos) << "no form in: " << url.error().message();
  }
}

TEST(ParseUrl, SaysWhichSchemesAreNotBuiltIn) {
  for (const std::string_view text : {"daos://p/c", "ceph://p/c"}) {
    EXPECT_EQ(parse_url(text, true).error().error(), EPROTONOSUPPORT) << text;
  }
}

TEST(ParseUrl, TakesServersApart) {
  const auto whole = parse_url("ross+ofi+tcp://server-1.example:7471/pool0/c", true);
  ASSERT_TRUE(whole.has_value()) << whole.error().message();
  EXPECT_EQ(whole->scheme, "ross");
  EXPECT_EQ(whole->fabric, "ofi+tcp");
  EXPECT_EQ(whole->server, "server-1.example:7471");
  EXPECT_EQ(whole->pool, "pool0");
  EXPECT_EQ(whole->container, "c");
  EXPECT_EQ(whole->pool_place(), "ross+ofi+tcp://server-1.example:7471/pool0");
  EXPECT_EQ(parse_url("ross://10.0.0.1/p/c/", true)->server, "10.0.0.1:7470");
  EXPECT_EQ(parse_url("ross://[fe80::1]:80/p", false)->server, "[fe80::1]:80");
  EXPECT_EQ(parse_url("ross://[::1]/p", false)->pool_place(), "ross://[::1]:7470/p");
}

TEST(ParseUrl, RefusesServersThatAreNone) {
  for (const std::string_view text :
       {"ross:", "ross:/p/c", "ross://", "ross:///p/c", "ross://h:/p/c", "ross://h:0/p/c", "ross://h:65536/p/c",
        "ross://h:x/p/c", "ross://[::1/p/c", "ross://[]/p/c", "ross://h h/p/c", "ross://u@h/p/c", "ross://h",
        "ross://h/", "ross://h/p", "ross://h/p/", "ross://h/p/c/d", "ross://h/p/..", "ross+://h/p/c"}) {
    const Result<Url> url = parse_url(text, true);
    ASSERT_FALSE(url.has_value()) << text;
    EXPECT_EQ(url.error().error(), EINVAL) << text;
    EXPECT_NE(url.error().message().find("ross://HOST"), std::string::npos) << "no form in: " << url.error().message();
  }
}

TEST(ParseUrl, BoundsLengths) {
  const std::string name(255, 'n');
  EXPECT_EQ(parse_url("/p/" + name, true)->container, name);
  EXPECT_EQ(parse_url("/p/" + name + "n", true).error().error(), ENAMETOOLONG);
  EXPECT_EQ(parse_url("/" + std::string(5000, 'p') + "/c", true).error().error(), ENAMETOOLONG);
}

TEST(ParseUrl, SurvivesAnyBytes) {
  Random random(20250917);
  const std::string_view alphabet = "local:/.\0\n\xff ross@?#%";
  for (int round = 0; round < 200'000; ++round) {
    std::string text(random.below(24), '\0');
    for (char& c : text) c = alphabet[random.below(alphabet.size())];
    const Result<Url> url = parse_url(text, true);
    if (!url.has_value()) continue;
    EXPECT_FALSE(url->pool.empty());
    EXPECT_FALSE(url->container.empty());
    EXPECT_EQ(url->container.find('/'), std::string::npos);
    EXPECT_NE(url->container, "..");
  }
}

}  // namespace
}  // namespace ross::attach
