// Files without a name, and giving them one.
#include "conformance/file_system/harness.h"

namespace ross::conformance {
namespace {

ROSS_FILE_SYSTEM_SUITE(Publish);

TEST_P(Publish, GivesANameToWhatHasNone) {
  const auto made = run(fs().create_unnamed(kAlice, kTop, 0640)).value();
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.attr.links, 0U);
  EXPECT_EQ(made.attr.mode, S_IFREG | 0640U);
  EXPECT_EQ(made.attr.uid, kAlice.uid);
  EXPECT_TRUE(names(kTop).empty());
  EXPECT_EQ(write(made.file, 0, "text"), 0);
  EXPECT_EQ(read(made.file, 0, 10), "text");
  EXPECT_EQ(error(fs().publish(kAlice, made.file, kTop, "name")), 0);
  EXPECT_EQ(node_at("name"), made.attr.node);
  EXPECT_EQ(attr(made.attr.node).links, 1U);
  EXPECT_EQ(write(made.file, 4, "!"), 0);  // it stays open
  EXPECT_EQ(error(fs().close(made.file)), 0);
  EXPECT_EQ(content(node_at("name")), "text!");
}

TEST_P(Publish, IsGoneAtCloseOtherwise) {
  const std::uint64_t before = run(fs().statfs())->nodes_used;
  const auto made = run(fs().create_unnamed(kRoot, kTop, 0600)).value();
  EXPECT_EQ(write(made.file, 0, pattern(1, 100'000)), 0);
  EXPECT_EQ(error(fs().close(made.file)), 0);
  EXPECT_EQ(error(fs().getattr(made.attr.node)), ESTALE);
  EXPECT_EQ(run(fs().statfs())->nodes_used, before);
}

TEST_P(Publish, ReplacesWhatTheNameHeld) {
  const fs::NodeId old = make_file("name", "old");
  const fs::FileId held = open(old);
  const auto made = run(fs().create_unnamed(kRoot, kTop, 0600)).value();
  EXPECT_EQ(write(made.file, 0, "new"), 0);
  EXPECT_EQ(error(fs().publish(kRoot, made.file, kTop, "name")), 0);
  EXPECT_EQ(content(node_at("name")), "new");
  EXPECT_EQ(read(held, 0, 10), "old");
  EXPECT_EQ(names(kTop).size(), 1U);
  EXPECT_EQ(error(fs().close(made.file)), 0);
}

TEST_P(Publish, ReplacesALinkAndNotItsTarget) {
  make_file("target", "old");
  make_link("name", "target");
  const auto made = run(fs().create_unnamed(kRoot, kTop, 0600)).value();
  EXPECT_EQ(error(fs().publish(kRoot, made.file, kTop, "name")), 0);
  EXPECT_EQ(node_at("name"), made.attr.node);
  EXPECT_EQ(content(node_at("target")), "old");
  EXPECT_EQ(error(fs().close(made.file)), 0);
}

TEST_P(Publish, Errors) {
  const fs::NodeId dir = make_dir("dir");
  const fs::NodeId file = make_file("file");
  const fs::FileId named = open(file);
  const auto made = run(fs().create_unnamed(kRoot, kTop, 0600)).value();
  EXPECT_EQ(error(fs().publish(kRoot, made.file, kTop, "dir")), EISDIR);
  EXPECT_EQ(error(fs().publish(kRoot, made.file, file, "x")), ENOTDIR);
  EXPECT_EQ(error(fs().publish(kRoot, made.file, fs::NodeId(1ULL << 60), "x")), ESTALE);
  EXPECT_EQ(error(fs().publish(kRoot, fs::FileId(1ULL << 60), kTop, "x")), EBADF);
  const auto has_a_name = [](int error) { return error == EINVAL || error == EEXIST; };
  EXPECT_TRUE(has_a_name(error(fs().publish(kRoot, named, kTop, "x"))));
  EXPECT_EQ(error(fs().publish(kRoot, made.file, kTop, std::string(256, 'x'))), ENAMETOOLONG);
  EXPECT_EQ(error(fs().publish(kAlice, made.file, dir, "x")), EACCES);
  EXPECT_EQ(attr(made.attr.node).links, 0U);
  EXPECT_EQ(error(fs().publish(kRoot, made.file, dir, "x")), 0);
  EXPECT_TRUE(has_a_name(error(fs().publish(kRoot, made.file, dir, "y"))));  // once is all
  EXPECT_EQ(names(dir), std::vector<std::string>{"x"});
  EXPECT_EQ(error(fs().close(made.file)), 0);
}

TEST_P(Publish, UnlinkedAgainWhileOpen) {
  const auto made = run(fs().create_unnamed(kRoot, kTop, 0600)).value();
  EXPECT_EQ(error(fs().publish(kRoot, made.file, kTop, "x")), 0);
  EXPECT_EQ(error(fs().unlink(kRoot, kTop, "x")), 0);
  EXPECT_EQ(write(made.file, 0, "still here"), 0);
  EXPECT_EQ(read(made.file, 0, 100), "still here");
  EXPECT_EQ(error(fs().close(made.file)), 0);
  EXPECT_EQ(error(fs().getattr(made.attr.node)), ESTALE);
}

}  // namespace
}  // namespace ross::conformance
