// Extended attributes: values of every size, the flags, the name spaces.
#include <gmock/gmock.h>

#include <algorithm>

#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Xattrs);

constexpr auto kSet = fs::XattrFlags::kSet;
constexpr auto kCreate = fs::XattrFlags::kCreate;
constexpr auto kReplace = fs::XattrFlags::kReplace;

TEST_P(Xattrs, ValuesOfEverySize) {
  const fs::NodeId file = make_file("file");
  for (const std::size_t size : {0U, 1U, 255U, 4095U, 4096U, 4097U, 65535U, 65536U}) {
    const std::string value = pattern(size, size);
    ASSERT_EQ(error(fs().setxattr(kRoot, file, "user.value", value, kSet)), 0) << size;
    EXPECT_EQ(run(fs().getxattr(kRoot, file, "user.value")).value(), value) << size;
  }
  EXPECT_EQ(error(fs().setxattr(kRoot, file, "user.value", std::string(65537, 'x'), kSet)), E2BIG);
  EXPECT_EQ(run(fs().getxattr(kRoot, file, "user.value"))->size(), 65536U);
  using namespace std::string_literals;
  const std::string binary = "\0\xff\0/"s;
  EXPECT_EQ(error(fs().setxattr(kRoot, file, "user.value", binary, kSet)), 0);
  EXPECT_EQ(run(fs().getxattr(kRoot, file, "user.value")).value(), binary);
}

TEST_P(Xattrs, CreateAndReplace) {
  const fs::NodeId file = make_file("file");
  EXPECT_EQ(error(fs().setxattr(kRoot, file, "user.x", "1", kReplace)), ENODATA);
  EXPECT_EQ(error(fs().setxattr(kRoot, file, "user.x", "1", kCreate)), 0);
  EXPECT_EQ(error(fs().setxattr(kRoot, file, "user.x", "2", kCreate)), EEXIST);
  EXPECT_EQ(run(fs().getxattr(kRoot, file, "user.x")).value(), "1");
  EXPECT_EQ(error(fs().setxattr(kRoot, file, "user.x", "3", kReplace)), 0);
  EXPECT_EQ(run(fs().getxattr(kRoot, file, "user.x")).value(), "3");
  EXPECT_EQ(error(fs().removexattr(kRoot, file, "user.x")), 0);
  EXPECT_EQ(error(fs().removexattr(kRoot, file, "user.x")), ENODATA);
  EXPECT_EQ(error(fs().getxattr(kRoot, file, "user.x")), ENODATA);
}

TEST_P(Xattrs, ListNamesEachOnce) {
  const fs::NodeId file = make_file("file");
  EXPECT_TRUE(run(fs().listxattr(kRoot, file))->empty());
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    expected.push_back("user.name" + std::to_string(i));
    ASSERT_EQ(error(fs().setxattr(kRoot, file, expected.back(), "x", kSet)), 0);
    ASSERT_EQ(error(fs().setxattr(kRoot, file, expected.back(), "y", kSet)), 0);
  }
  std::sort(expected.begin(), expected.end());
  std::vector<std::string> listed = run(fs().listxattr(kRoot, file)).value();
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, expected);
}

TEST_P(Xattrs, NamesHaveSpacesAndBounds) {
  const fs::NodeId file = make_file("file");
  const std::string longest = "user." + std::string(250, 'x');
  EXPECT_EQ(error(fs().setxattr(kRoot, file, longest, "1", kSet)), 0);
  EXPECT_EQ(run(fs().getxattr(kRoot, file, longest)).value(), "1");
  for (const std::string& bad : {longest + "x", std::string()}) {
    const int refused = error(fs().setxattr(kRoot, file, bad, "1", kSet));
    EXPECT_THAT(refused, testing::AnyOf(ERANGE, EINVAL, ENAMETOOLONG, EOPNOTSUPP));
  }
  EXPECT_EQ(error(fs().setxattr(kRoot, file, "user.", "1", kSet)), EINVAL);
  for (const std::string_view name :
       {"nospace", "other.x", "user", "USER.x", "system.x", "system.posix_acl_access", "system.posix_acl_default"}) {
    EXPECT_EQ(error(fs().setxattr(kRoot, file, name, "1", kSet)), EOPNOTSUPP) << name;
    EXPECT_EQ(error(fs().getxattr(kRoot, file, name)), EOPNOTSUPP) << name;
    EXPECT_EQ(error(fs().removexattr(kRoot, file, name)), EOPNOTSUPP) << name;
  }
  EXPECT_EQ(run(fs().listxattr(kRoot, file)).value(), std::vector<std::string>{longest});
}

TEST_P(Xattrs, UserOnesFollowTheFilesPermissions) {
  const fs::NodeId file = make_file("file");
  chown(file, kAlice, 0640);
  EXPECT_EQ(error(fs().setxattr(kAlice, file, "user.x", "1", kSet)), 0);
  EXPECT_EQ(error(fs().getxattr(kBob, file, "user.x")), EACCES);
  EXPECT_EQ(error(fs().setxattr(kBob, file, "user.x", "2", kSet)), EACCES);
  EXPECT_EQ(error(fs().removexattr(kBob, file, "user.x")), EACCES);
  chown(file, kAlice, 0604);
  EXPECT_EQ(run(fs().getxattr(kBob, file, "user.x")).value(), "1");
  EXPECT_EQ(error(fs().setxattr(kBob, file, "user.x", "2", kSet)), EACCES);
}

TEST_P(Xattrs, UserOnesAreForFilesAndDirectories) {
  const fs::NodeId link = make_link("link", "x");
  const fs::NodeId fifo = run(fs().mknod(kRoot, kTop, "fifo", S_IFIFO | 0666, 0))->node;
  for (const fs::NodeId node : {link, fifo}) {
    EXPECT_EQ(error(fs().setxattr(kRoot, node, "user.x", "1", kSet)), EPERM);
    EXPECT_EQ(error(fs().getxattr(kRoot, node, "user.x")), ENODATA);
    EXPECT_EQ(error(fs().setxattr(kRoot, node, "trusted.x", "1", kSet)), 0);
    EXPECT_EQ(run(fs().getxattr(kRoot, node, "trusted.x")).value(), "1");
  }
  const fs::NodeId dir = make_dir("dir", kTop, 01777);
  EXPECT_EQ(error(fs().setxattr(kAlice, dir, "user.x", "1", kSet)), EPERM);  // sticky: the owner's alone
  EXPECT_EQ(error(fs().setxattr(kRoot, dir, "user.x", "1", kSet)), 0);
  EXPECT_EQ(error(fs().setattr(kRoot, dir, {.mode = 0777})), 0);
  EXPECT_EQ(error(fs().setxattr(kAlice, dir, "user.x", "2", kSet)), 0);
}

TEST_P(Xattrs, TrustedOnesAreRoots) {
  const fs::NodeId file = make_file("file");
  chown(file, kAlice, 0666);
  ASSERT_EQ(error(fs().setxattr(kRoot, file, "trusted.x", "1", kSet)), 0);
  EXPECT_EQ(error(fs().getxattr(kAlice, file, "trusted.x")), ENODATA);
  EXPECT_EQ(error(fs().setxattr(kAlice, file, "trusted.x", "2", kSet)), EPERM);
  EXPECT_EQ(error(fs().removexattr(kAlice, file, "trusted.x")), EPERM);
  EXPECT_TRUE(run(fs().listxattr(kAlice, file))->empty());
  EXPECT_EQ(run(fs().listxattr(kRoot, file))->size(), 1U);
  ASSERT_EQ(error(fs().setxattr(kRoot, file, "security.x", "1", kSet)), 0);
  EXPECT_EQ(run(fs().getxattr(kBob, file, "security.x")).value(), "1");
  EXPECT_EQ(error(fs().setxattr(kAlice, file, "security.x", "2", kSet)), EPERM);
}

TEST_P(Xattrs, StayWithTheNode) {
  const fs::NodeId file = make_file("file");
  ASSERT_EQ(error(fs().setxattr(kRoot, file, "user.x", "1", kSet)), 0);
  ASSERT_EQ(error(fs().link(kRoot, file, kTop, "two")), 0);
  ASSERT_EQ(error(fs().rename(kRoot, kTop, "file", kTop, "one", fs::RenameFlags::kReplace)), 0);
  ASSERT_EQ(error(fs().unlink(kRoot, kTop, "one")), 0);
  EXPECT_EQ(run(fs().getxattr(kRoot, node_at("two"), "user.x")).value(), "1");
  EXPECT_TRUE(run(fs().listxattr(kRoot, make_file("file")))->empty());
  EXPECT_EQ(error(fs().getxattr(kRoot, fs::NodeId(1ULL << 60), "user.x")), ESTALE);
  EXPECT_EQ(error(fs().listxattr(kRoot, fs::NodeId(1ULL << 60))), ESTALE);
}

}  // namespace
}  // namespace ross::conformance
