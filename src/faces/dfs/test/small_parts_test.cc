// Goal: errors, handles, names, global handles, classes and patterns are what their headers say. Method: values in,
// values out; hostile ones among them.
#include <daos_api.h>
#include <daos_errno.h>
#include <daos_obj_class.h>
#include <daos_prop.h>
#include <daos_uns.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "faces/dfs/errors.h"
#include "faces/dfs/filter.h"
#include "faces/dfs/global_handle.h"
#include "faces/dfs/handle_table.h"
#include "faces/dfs/hints.h"
#include "faces/dfs/pool_names.h"

namespace ross::dfs {
namespace {

TEST(Errors, GoBothWays) {
  for (const int error :
       {EPERM,     EBADF,        EINVAL,  EEXIST, ENOENT, EHOSTUNREACH, ENOSPC,      EALREADY,  ENOMEM,
        ENOSYS,    ETIMEDOUT,    EBUSY,   EAGAIN, EPROTO, ENODEV,       ERANGE,      EOVERFLOW, EFBIG,
        ECANCELED, ENAMETOOLONG, ENOTDIR, ESTALE, EIO,    EDQUOT,       EINPROGRESS, EOPNOTSUPP}) {
    EXPECT_EQ(errno_from_der(-der_from_errno(error)), error) << error;
  }
#define ROSS_CHECK_NUMBER(name, number, words) \
  EXPECT_EQ(name, number);                     \
  EXPECT_STREQ(d_errstr(-(name)), #name);      \
  EXPECT_GT(errno_from_der(-(name)), 0);
  ROSS_DAOS_FOREACH_ERROR(ROSS_CHECK_NUMBER)
#undef ROSS_CHECK_NUMBER
  EXPECT_EQ(der_from_errno(0), 0);
  EXPECT_EQ(errno_from_der(0), 0);
  EXPECT_EQ(der_from_errno(EXDEV), DER_MISC);
  EXPECT_EQ(DER_INVAL, 1003);
  EXPECT_EQ(DER_IO, 2001);
  EXPECT_STREQ(d_errstr(INT_MIN), "DER_UNKNOWN");
  EXPECT_STREQ(d_errdesc(0), "success");
}

TEST(Handles, OnlyLiveCookiesFindAnything) {
  HandleTable<int> numbers(HandleType::kPool, 7);
  HandleTable<int> others(HandleType::kMount, 7);
  HandleTable<int> after_fork(HandleType::kPool, 8);
  const std::uint64_t one = *numbers.add(std::make_unique<int>(1));
  EXPECT_EQ(*numbers.find(one), 1);
  EXPECT_EQ(others.find(one), nullptr);
  ASSERT_TRUE(after_fork.add(std::make_unique<int>(9)).has_value());
  EXPECT_EQ(after_fork.find(one), nullptr);
  for (const std::uint64_t garbage : {std::uint64_t{0}, ~std::uint64_t{0}, one + 1, one ^ (std::uint64_t{1} << 60)}) {
    EXPECT_EQ(numbers.find(garbage), nullptr);
    EXPECT_EQ(numbers.remove(garbage), nullptr);
  }
  EXPECT_EQ(*numbers.remove(one), 1);
  EXPECT_EQ(numbers.find(one), nullptr);
  EXPECT_EQ(numbers.remove(one), nullptr);
  const std::uint64_t again = *numbers.add(std::make_unique<int>(2));
  EXPECT_NE(again, one);  // the place is used again, the number is not
  EXPECT_EQ(numbers.find(one), nullptr);
  EXPECT_EQ(numbers.cookies(), std::vector<std::uint64_t>{again});
}

class PoolNames : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / ("ross-names-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory_);
    config_ = directory_ / "config.toml";
    setenv("ROSS_CONFIG", config_.c_str(), 1);
  }
  void TearDown() override {
    std::filesystem::remove_all(directory_);
    unsetenv("ROSS_CONFIG");
    unsetenv("ROSS_POOL_MY_POOL_1");
  }
  void write(std::string_view text) { std::ofstream(config_) << text; }
  std::filesystem::path directory_;
  std::filesystem::path config_;
};

TEST_F(PoolNames, ComeFromUrlEnvironmentAndFile) {
  write("[pool.my-pool-1]\nurl = \"local:/from/file\"\n[pool.empty]\n");
  EXPECT_EQ(*pool_url("local:relative"), "local:relative");
  EXPECT_EQ(*pool_url("/srv/pool"), "/srv/pool");
  EXPECT_EQ(*pool_url("my-pool-1"), "local:/from/file");
  setenv("ROSS_POOL_MY_POOL_1", "local:/from/environment", 1);
  EXPECT_EQ(*pool_url("my-pool-1"), "local:/from/environment");
}

TEST_F(PoolNames, SayWhatIsWrong) {
  EXPECT_EQ(pool_url("x").error().error(), ENOENT);  // the file ROSS_CONFIG names is not there
  write("[pool.empty]\n");
  EXPECT_EQ(pool_url("").error().error(), EINVAL);
  EXPECT_EQ(pool_url("unknown").error().error(), ENOENT);
  EXPECT_NE(pool_url("unknown").error().message().find(config_.string()), std::string::npos);
  EXPECT_EQ(pool_url("empty").error().error(), EINVAL);
  write("[pool.x\n");
  EXPECT_EQ(pool_url("x").error().error(), EINVAL);
  write("pool = 3\n");
  EXPECT_EQ(pool_url("x").error().error(), ENOENT);
}

TEST(GlobalHandles, SurviveTheTripAndNothingElse) {
  GlobalWriter writer(GlobalKind::kObject);
  writer.add("container");
  writer.add(std::uint64_t{42});
  d_iov_t glob{};
  ASSERT_TRUE(writer.store(&glob).ok());
  std::string bytes(glob.iov_buf_len, '\0');
  d_iov_set(&glob, bytes.data(), bytes.size() - 1);
  EXPECT_EQ(writer.store(&glob).error(), ERANGE);
  d_iov_set(&glob, bytes.data(), bytes.size());
  ASSERT_TRUE(writer.store(&glob).ok());
  auto reader = GlobalReader::open(glob, GlobalKind::kObject);
  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ(*reader->text(), "container");
  EXPECT_EQ(*reader->number(), 42U);
  EXPECT_EQ(reader->number().error().error(), EINVAL);
  EXPECT_FALSE(GlobalReader::open(glob, GlobalKind::kPool).has_value());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    EXPECT_FALSE(GlobalReader::open(glob, GlobalKind::kObject).has_value()) << "byte " << i;
    bytes[i] = static_cast<char>(bytes[i] ^ 0x10);
    d_iov_t shorter;
    d_iov_set(&shorter, bytes.data(), i);
    EXPECT_FALSE(GlobalReader::open(shorter, GlobalKind::kObject).has_value()) << i << " bytes";
  }
}

TEST(ObjectClasses, NamesAndNumbersAgree) {
  EXPECT_EQ(daos_oclass_name2id("SX"), static_cast<int>(OC_SX));
  EXPECT_EQ(daos_oclass_name2id("S1"), static_cast<int>(OC_S1));
  EXPECT_EQ(daos_oclass_name2id("RP_2G1"), static_cast<int>(OC_RP_2G1));
  EXPECT_EQ(daos_oclass_name2id("EC_16P3GX"), static_cast<int>(OC_EC_16P3GX));
  for (const char* wrong : {"", "S", "S0", "S-1", "S1x", "EC_3P1G1", "s1", "RP_2G", "S99999999999999"}) {
    EXPECT_EQ(daos_oclass_name2id(wrong), OC_UNKNOWN) << wrong;
  }
  EXPECT_EQ(daos_oclass_name2id(nullptr), OC_UNKNOWN);
  char name[MAX_OBJ_CLASS_NAME_LEN];
  std::string list(static_cast<std::size_t>(daos_oclass_names_list(0, nullptr)) + 1, '\0');
  EXPECT_EQ(daos_oclass_names_list(list.size(), list.data()), static_cast<ssize_t>(list.size()) - 1);
  std::size_t names = 0;
  for (std::size_t at = 0; at + 1 < list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size() - 1);
    const std::string each = list.substr(at, end - at);
    const int id = daos_oclass_name2id(each.c_str());
    ASSERT_NE(id, OC_UNKNOWN) << each;
    EXPECT_EQ(daos_oclass_id2name(static_cast<daos_oclass_id_t>(id), name), 0);
    EXPECT_EQ(each, name);
    at = end + 2;
    ++names;
  }
  EXPECT_GT(names, 200U);
  EXPECT_EQ(daos_oclass_id2name(12345, name), -1);
}

TEST(Hints, AreKeptAndRead) {
  const Hints hints{
      .chunk_bytes = 65536, .oclass = 1, .dir_oclass = 2, .file_oclass = 3, .mode = 4, .text = "file:max"};
  EXPECT_EQ(decode(encode(hints)), hints);
  EXPECT_EQ(decode("garbage"), Hints{});
  EXPECT_EQ(decode(""), Hints{});
  EXPECT_EQ(*class_from_text("file:single,dir:max", false), static_cast<daos_oclass_id_t>(OC_S1));
  EXPECT_EQ(*class_from_text("file:single,dir:max", true), static_cast<daos_oclass_id_t>(OC_SX));
  EXPECT_FALSE(class_from_text("file", false).has_value());
  EXPECT_FALSE(class_from_text("file:some", false).has_value());
}

TEST(Filter, MatchesLikeSql) {
  EXPECT_TRUE(matches_like("part-00017", "part-%"));
  EXPECT_TRUE(matches_like("abc", "a_c"));
  EXPECT_TRUE(matches_like("", "%"));
  EXPECT_TRUE(matches_like("a%b", "a\\%b"));
  EXPECT_TRUE(matches_like("xaxbxc", "%a%b%c"));
  EXPECT_FALSE(matches_like("axb", "a\\%b"));
  EXPECT_FALSE(matches_like("abc", "ab"));
  EXPECT_FALSE(matches_like("ab", "abc"));
  // Many stars over a long name that does not match: quadratic at most, so this ends.
  std::string stars;
  for (int i = 0; i < 120; ++i) stars += "a%";
  EXPECT_FALSE(matches_like(std::string(250, 'a'), stars + "b"));
}

TEST(RankLists, AreParsed) {
  d_rank_list_t* list = daos_rank_list_parse("0:1:15", ":");
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(list->rl_nr, 3U);
  EXPECT_EQ(list->rl_ranks[2], 15U);
  d_rank_list_free(list);
  for (const char* wrong : {"", "a", "1::2", "-1", "1:4294967296"}) {
    EXPECT_EQ(daos_rank_list_parse(wrong, ":"), nullptr) << wrong;
  }
  d_rank_list_free(nullptr);
}

TEST(Properties, OwnTheirStrings) {
  daos_prop_t* prop = daos_prop_alloc(2);
  ASSERT_NE(prop, nullptr);
  prop->dpp_entries[0].dpe_type = DAOS_PROP_CO_LABEL;
  prop->dpp_entries[1].dpe_type = DAOS_PROP_CO_CSUM;
  EXPECT_EQ(daos_prop_set_str(prop, DAOS_PROP_CO_LABEL, "first", 5), 0);
  EXPECT_EQ(daos_prop_set_str(prop, DAOS_PROP_CO_LABEL, "second, cut", 6), 0);
  EXPECT_STREQ(daos_prop_entry_get(prop, DAOS_PROP_CO_LABEL)->dpe_str, "second");
  EXPECT_EQ(daos_prop_set_str(prop, DAOS_PROP_CO_CSUM, "x", 1), -DER_INVAL);
  EXPECT_EQ(daos_prop_set_str(prop, DAOS_PROP_CO_OWNER, "x", 1), -DER_NONEXIST);
  daos_prop_free(prop);
  EXPECT_EQ(daos_prop_alloc(0), nullptr);
  EXPECT_EQ(daos_prop_alloc(DAOS_PROP_ENTRIES_MAX_NR + 1), nullptr);
  EXPECT_TRUE(daos_label_is_valid("a-b.c:d_9"));
  EXPECT_FALSE(daos_label_is_valid("a/b"));
  EXPECT_FALSE(daos_label_is_valid("6b1f3d5e-0000-4000-8000-000000000000"));
}

TEST(UnifiedNamespace, TakesPathsApart) {
  duns_attr_t attr{};
  ASSERT_EQ(duns_resolve_path("daos://pool0/datasets/train/part-0", &attr), 0);
  EXPECT_STREQ(attr.da_pool, "pool0");
  EXPECT_STREQ(attr.da_cont, "datasets");
  EXPECT_STREQ(attr.da_rel_path, "/train/part-0");
  duns_destroy_attr(&attr);
  attr = {};
  ASSERT_EQ(duns_resolve_path("daos://pool0/datasets", &attr), 0);
  EXPECT_EQ(attr.da_rel_path, nullptr);
  EXPECT_EQ(duns_resolve_path("daos:///x", &attr), EINVAL);
  EXPECT_EQ(duns_resolve_path("/", &attr), ENODATA);
  char text[] = "DAOS.POSIX://pool0/datasets";
  ASSERT_EQ(duns_parse_attr(text, sizeof text, &attr), 0);
  EXPECT_EQ(attr.da_type, DAOS_PROP_CO_LAYOUT_POSIX);
  EXPECT_STREQ(attr.da_cont, "datasets");
  char wrong[] = "DAOS.POSIX://pool0";
  EXPECT_EQ(duns_parse_attr(wrong, sizeof wrong, &attr), EINVAL);
}

}  // namespace
}  // namespace ross::dfs
