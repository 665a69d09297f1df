// Goal: a location means one pool, container and path, or is refused with a sentence.
// Method: pools are directories with the pool's file in a temporary tree; parsing only looks for that file.
#include "apps/ross/location.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace ross::cli {
namespace {

class LocationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "location-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    for (const std::string pool : {"/pool", "/pool/c/inner", "/with space"}) {
      std::filesystem::create_directories(root_ + pool);
      std::ofstream(root_ + pool + "/" + std::string(kPoolFile)) << "x";
    }
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string root_;
};

TEST_F(LocationTest, FindsTheLongestPool) {
  const auto plain = parse_location("local:" + root_ + "/pool/c/dir/file", Plain::kHost, nullptr);
  ASSERT_TRUE(plain.has_value()) << plain.error().message();
  EXPECT_EQ(plain->pool, root_ + "/pool");
  EXPECT_EQ(plain->container, "c");
  EXPECT_EQ(plain->path, "dir/file");
  const auto inner = parse_location("local:" + root_ + "/pool/c/inner/x/y/", Plain::kHost, nullptr);
  ASSERT_TRUE(inner.has_value());
  EXPECT_EQ(inner->pool, root_ + "/pool/c/inner");
  EXPECT_EQ(inner->container, "x");
  EXPECT_EQ(inner->path, "y/");
  const auto pool = parse_location(root_ + "/with space//", Plain::kStore, nullptr);
  ASSERT_TRUE(pool.has_value());
  EXPECT_EQ(pool->container, "");
  EXPECT_EQ(pool->path, "");
}

TEST_F(LocationTest, KeepsThePathsBytes) {
  const auto odd = parse_location("local:" + root_ + "/pool/c/a\nb/\xff:?", Plain::kHost, nullptr);
  ASSERT_TRUE(odd.has_value());
  EXPECT_EQ(odd->path, "a\nb/\xff:?");
}

TEST_F(LocationTest, AColonStandsForTheDefault) {
  const std::string url = "local:" + root_ + "/pool/c/sub";
  const auto below = parse_location(":/dir", Plain::kHost, url.c_str());
  ASSERT_TRUE(below.has_value()) << below.error().message();
  EXPECT_EQ(below->container, "c");
  EXPECT_EQ(below->path, "sub/dir");
  EXPECT_EQ(parse_location(":", Plain::kStore, url.c_str())->path, "sub");
  EXPECT_EQ(parse_location(":x", Plain::kStore, url.c_str())->path, "sub/x");
  EXPECT_EQ(parse_location(":/x", Plain::kStore, nullptr).error().error(), EINVAL);
  EXPECT_EQ(parse_location(":/x", Plain::kStore, "ceph://h/p/c").error().error(), EPROTONOSUPPORT);
}

TEST_F(LocationTest, APoolOfAServerHasAUrl) {
  const auto deep = parse_location("ross+tcp://server:7471/pool0/c/dir/file/", Plain::kHost, nullptr);
  ASSERT_TRUE(deep.has_value()) << deep.error().message();
  EXPECT_FALSE(deep->host);
  EXPECT_EQ(deep->pool, "ross+tcp://server:7471/pool0");
  EXPECT_EQ(pool_url(deep->pool), deep->pool);
  EXPECT_EQ(deep->container, "c");
  EXPECT_EQ(deep->path, "dir/file/");
  const auto pool = parse_location("ross://[::1]/pool0/", Plain::kStore, nullptr);
  ASSERT_TRUE(pool.has_value()) << pool.error().message();
  EXPECT_EQ(pool->pool, "ross://[::1]:7470/pool0");
  EXPECT_EQ(pool->container, "");
  const auto below = parse_location(":/x", Plain::kHost, "ross://server/pool0/c/sub");
  ASSERT_TRUE(below.has_value()) << below.error().message();
  EXPECT_EQ(below->pool, "ross://server:7470/pool0");
  EXPECT_EQ(below->container, "c");
  EXPECT_EQ(below->path, "sub/x");
}

TEST_F(LocationTest, OtherPathsAreTheHostsOnlyWhereThatMakesSense) {
  EXPECT_TRUE(parse_location("dir/a:b", Plain::kHost, nullptr)->host);
  EXPECT_TRUE(parse_location(root_ + "/pool/c", Plain::kHost, nullptr)->host);
  EXPECT_FALSE(parse_location(root_ + "/pool/c", Plain::kStore, nullptr)->host);
}

TEST_F(LocationTest, RefusesWithASentence) {
  using namespace std::string_literals;
  const std::pair<std::string, int> cases[] = {
      {"", EINVAL},
      {"local:", EINVAL},
      {"local://host/x", EINVAL},
      {"local:/nowhere/at/all", ENOENT},
      {"local:" + root_ + "/c", ENOENT},
      {"daos://server/p/c", EPROTONOSUPPORT},
      {"ross://", EINVAL},
      {"ross:///p/c", EINVAL},
      {"ross://server:0/p/c", EINVAL},
      {"ross://server:70000/p/c", EINVAL},
      {"ross://server", EINVAL},
      {"ross+://server/p/c", EINVAL},
      {"ross://server/p/..", EINVAL},
      {"http://x/y", EINVAL},
      {"local:" + root_ + "/pool/..", EINVAL},
      {"local:" + root_ + "/pool/c\n/x", EINVAL},
      {"local:" + root_ + "/pool/c/x\0y"s, EINVAL},
      {"local:" + root_ + "/pool/" + std::string(300, 'n'), ENAMETOOLONG},
      {"local:/" + std::string(100'000, 'x'), ENAMETOOLONG},
  };
  for (const auto& [text, error] : cases) {
    const auto location = parse_location(text, Plain::kHost, nullptr);
    ASSERT_FALSE(location.has_value()) << text;
    EXPECT_EQ(location.error().error(), error) << text << ": " << location.error().message();
  }
}

TEST(BaseName, IsTheLastComponent) {
  EXPECT_EQ(base_name("a/b//"), "b");
  EXPECT_EQ(base_name("b"), "b");
  for (const std::string_view none : {"", "/", ".", "..", "a/.", "a/../"}) EXPECT_EQ(base_name(none), "") << none;
}

}  // namespace
}  // namespace ross::cli
