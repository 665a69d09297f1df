// Names: what may be one, finding and making them, and the errors of each call.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Names);

TEST_P(Names, AFreshFileSystemIsAnEmptyRoot) {
  EXPECT_TRUE(S_ISDIR(attr(kTop).mode));
  EXPECT_EQ(attr(kTop).links, 2U);
  EXPECT_EQ(attr(kTop).node, kTop);
  EXPECT_TRUE(names(kTop).empty());
  EXPECT_EQ(run(fs().parent(kTop)).value(), kTop);
}

TEST_P(Names, LookupFindsWhatWasMade) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId file = make_file("file", "text", dir);
  const fs::Attr found = run(fs().lookup(kRoot, dir, "file")).value();
  EXPECT_EQ(found.node, file);
  EXPECT_EQ(found.mode, S_IFREG | 0644U);
  EXPECT_EQ(found.links, 1U);
  EXPECT_EQ(found.size_bytes, 4U);
  EXPECT_EQ(run(fs().parent(dir)).value(), kTop);
}

TEST_P(Names, LookupErrors) {
  const fs::NodeId file = make_file("file");
  EXPECT_EQ(error(fs().lookup(kRoot, kTop, "nothing")), ENOENT);
  EXPECT_EQ(error(fs().lookup(kRoot, file, "x")), ENOTDIR);
  EXPECT_EQ(error(fs().lookup(kRoot, fs::NodeId(1ULL << 60), "x")), ESTALE);
  EXPECT_EQ(error(fs().getattr(fs::NodeId(1ULL << 60))), ESTALE);
  EXPECT_EQ(error(fs().getattr(fs::NodeId(0))), ESTALE);
  EXPECT_EQ(error(fs().parent(file)), ENOTDIR);
}

TEST_P(Names, AnyByteButSlashAndNul) {
  for (int byte = 1; byte < 256; ++byte) {
    if (byte == '/' || byte == '.') continue;
    const std::string name(1, static_cast<char>(byte));
    const fs::NodeId made = make_file(name);
    EXPECT_EQ(node_at(name), made) << byte;
  }
  EXPECT_EQ(names(kTop).size(), 253U);
  make_file("...");
  make_file(".x");
  EXPECT_EQ(error(fs().mkdir(kRoot, kTop, " ", 0755)), EEXIST);
}

TEST_P(Names, CaseAndTrailingSpaceMatter) {
  const fs::NodeId lower = make_file("name");
  const fs::NodeId upper = make_file("NAME");
  const fs::NodeId space = make_file("name ");
  EXPECT_NE(lower, upper);
  EXPECT_EQ(node_at("name"), lower);
  EXPECT_EQ(node_at("NAME"), upper);
  EXPECT_EQ(node_at("name "), space);
}

TEST_P(Names, LengthsHaveBounds) {
  const std::string longest(255, '\xff');
  const fs::NodeId made = make_file(longest);
  EXPECT_EQ(node_at(longest), made);
  EXPECT_EQ(names(kTop), std::vector<std::string>{longest});
  EXPECT_EQ(error(fs().lookup(kRoot, kTop, longest + "x")), ENAMETOOLONG);
  EXPECT_EQ(error(fs().mkdir(kRoot, kTop, longest + "x", 0755)), ENAMETOOLONG);
  EXPECT_EQ(error(fs().rename(kRoot, kTop, longest, kTop, longest + "x", fs::RenameFlags::kReplace)), ENAMETOOLONG);
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, longest)), 0);
}

TEST_P(Names, EveryCallRefusesWhatIsNoName) {
  using namespace std::string_literals;
  make_file("there");
  const fs::NodeId node = node_at("there");
  const auto unnamed = run(fs().create_unnamed(kRoot, kTop, 0600)).value();
  for (const std::string& name : {""s, "."s, ".."s, "a/b"s, "/"s, "a\0b"s, "\0"s}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(error(fs().lookup(kRoot, kTop, name)), EINVAL);
    EXPECT_EQ(error(fs().mkdir(kRoot, kTop, name, 0755)), EINVAL);
    EXPECT_EQ(error(fs().mknod(kRoot, kTop, name, S_IFREG | 0644, 0)), EINVAL);
    EXPECT_EQ(error(fs().symlink(kRoot, kTop, name, "x")), EINVAL);
    EXPECT_EQ(error(fs().link(kRoot, node, kTop, name)), EINVAL);
    EXPECT_EQ(error(fs().unlink(kRoot, kTop, name)), EINVAL);
    EXPECT_EQ(error(fs().rmdir(kRoot, kTop, name)), EINVAL);
    EXPECT_EQ(error(fs().rename(kRoot, kTop, name, kTop, "x", fs::RenameFlags::kReplace)), EINVAL);
    EXPECT_EQ(error(fs().rename(kRoot, kTop, "there", kTop, name, fs::RenameFlags::kReplace)), EINVAL);
    EXPECT_EQ(error(fs().create(kRoot, kTop, name, 0644, {.write = true})), EINVAL);
    EXPECT_EQ(error(fs().publish(kRoot, unnamed.file, kTop, name)), EINVAL);
  }
  EXPECT_EQ(error(fs().close(unnamed.file)), 0);
  EXPECT_EQ(names(kTop), std::vector<std::string>{"there"});
}

TEST_P(Names, MakingErrors) {
  const fs::NodeId file = make_file("file");
  const fs::NodeId stale(1ULL << 60);
  EXPECT_EQ(error(fs().mkdir(kRoot, kTop, "file", 0755)), EEXIST);
  EXPECT_EQ(error(fs().mknod(kRoot, kTop, "file", S_IFREG | 0644, 0)), EEXIST);
  EXPECT_EQ(error(fs().symlink(kRoot, kTop, "file", "x")), EEXIST);
  EXPECT_EQ(error(fs().link(kRoot, file, kTop, "file")), EEXIST);
  EXPECT_EQ(error(fs().mkdir(kRoot, file, "x", 0755)), ENOTDIR);
  EXPECT_EQ(error(fs().symlink(kRoot, file, "x", "x")), ENOTDIR);
  EXPECT_EQ(error(fs().create(kRoot, file, "x", 0644, {.write = true})), ENOTDIR);
  EXPECT_EQ(error(fs().create_unnamed(kRoot, file, 0644)), ENOTDIR);
  EXPECT_EQ(error(fs().mkdir(kRoot, stale, "x", 0755)), ESTALE);
  EXPECT_EQ(error(fs().create(kRoot, stale, "x", 0644, {.write = true})), ESTALE);
  EXPECT_EQ(names(kTop), std::vector<std::string>{"file"});
}

TEST_P(Names, EveryKindOfNode) {
  struct Kind {
    std::string name;
    std::uint32_t mode;
    std::uint64_t rdev;
  };
  for (const Kind& kind :
       {Kind{"regular", S_IFREG | 0640, 0}, Kind{"pipe", S_IFIFO | 0600, 0}, Kind{"socket", S_IFSOCK | 0755, 0},
        Kind{"char", S_IFCHR | 0666, 0x0103}, Kind{"block", S_IFBLK | 0660, 0x0801}}) {
    const auto made = run(fs().mknod(kRoot, kTop, kind.name, kind.mode, kind.rdev));
    ASSERT_EQ(errno_of(made), 0) << kind.name;
    EXPECT_EQ(made->mode, kind.mode) << kind.name;
    EXPECT_EQ(attr(made->node).rdev, kind.rdev) << kind.name;
    EXPECT_EQ(attr(made->node).links, 1U) << kind.name;
  }
  const int directory = error(fs().mknod(kRoot, kTop, "x", S_IFDIR | 0755, 0));
  EXPECT_TRUE(directory == EPERM || directory == EINVAL) << directory;  // Linux says the one, POSIX the other
  EXPECT_EQ(error(fs().mknod(kRoot, kTop, "x", S_IFLNK | 0777, 0)), EINVAL);
  EXPECT_EQ(error(fs().mknod(kAlice, kTop, "x", S_IFCHR | 0600, 0x0103)), EPERM);
  EXPECT_EQ(error(fs().mknod(kAlice, kTop, "x", S_IFBLK | 0600, 0x0801)), EPERM);
  EXPECT_EQ(error(fs().mknod(kAlice, kTop, "fifo", S_IFIFO | 0600, 0)), 0);
  EXPECT_FALSE(exists("x"));
}

TEST_P(Names, SymbolicLinksKeepTheirText) {
  using namespace std::string_literals;
  const std::string longest(4095, 't');
  for (const std::string& target : {"x"s, "/a/b/../c"s, "\xff\x01 "s, longest}) {
    const fs::NodeId link = make_link("link", target);
    EXPECT_EQ(run(fs().readlink(link)).value(), target);
    EXPECT_EQ(attr(link).size_bytes, target.size());
    EXPECT_EQ(attr(link).mode, S_IFLNK | 0777U);
    EXPECT_EQ(error(fs().unlink(kRoot, kTop, "link")), 0);
  }
  EXPECT_EQ(error(fs().symlink(kRoot, kTop, "link", longest + "t")), ENAMETOOLONG);
  EXPECT_EQ(error(fs().symlink(kRoot, kTop, "link", "")), ENOENT);
  EXPECT_EQ(error(fs().readlink(make_file("file"))), EINVAL);
  EXPECT_EQ(error(fs().readlink(kTop)), EINVAL);
  EXPECT_FALSE(exists("link"));
}

}  // namespace
}  // namespace ross::conformance
