// Goal: each change of a known client is remembered once, with what it answered; and what clients had open without a name waits for
// them. Method: every call by name, then kill -9 as a copy of the directory, taken while the pool is open and at rest.
#include "engine/clients.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "engine/format/client_records.h"
#include "engine/fsck.h"
#include "engine/pool_fixture.h"
#include "fs/change_id.h"

namespace ross::engine {
namespace {

using format::KeyKind;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const ClientId kAlice{1, 1};
const ClientId kBob{2, 2};

PoolOptions served() {
  PoolOptions options = quiet_options();
  options.serves_clients = true;
  options.boot_id = "one boot";
  return options;
}

class ClientsTest : public ::testing::Test {
 protected:
  ClientsTest() : pool_(directory_ / "pool") {
    EXPECT_TRUE(Pool::create(pool_, small_pool()).ok());
    auto pool = *Pool::open(pool_, quiet_options());
    EXPECT_TRUE(pool->create_container("c", {}).ok());
  }
  ~ClientsTest() override { fs::name_next_change({}); }
  std::filesystem::path kill() {
    const std::filesystem::path killed = directory_ / ("killed" + std::to_string(kills_++));
    copy_pool(pool_, killed);
    return killed;
  }
  static std::string findings(const std::filesystem::path& pool, bool repair = false) {
    auto report = fsck(pool, served(), {.repair = repair, .data = true});
    if (!report) return report.error().message();
    std::string text;
    for (const FsckFinding& one : report->findings) text += one.where + ": " + one.what + "\n";
    return text;
  }
  static void name(std::uint16_t slot, std::uint64_t sequence = 1, const ClientId& client = kAlice) {
    fs::name_next_change({.client = client, .slot = slot, .sequence = sequence});
  }
  static std::map<std::uint16_t, RememberedChange> remembered(TestFiles& files, const ClientId& client = kAlice) {
    std::map<std::uint16_t, RememberedChange> found;
    const auto changes = files.pool().clients()->remembered(client);
    EXPECT_TRUE(changes);
    for (const RememberedChange& change : *changes) found[change.slot] = change;
    return found;
  }

  TestDirectory directory_;
  const std::filesystem::path pool_;
  int kills_ = 0;
};

TEST_F(ClientsTest, AreKnownWhenAddReturnsAndForgottenWhenRemoveDoes) {
  TestFiles files(pool_, "c", served());
  Clients& clients = *files.pool().clients();
  EXPECT_EQ(clients.add({}).error(), EINVAL);
  EXPECT_EQ(clients.add({.id = kAlice, .groups = std::vector<std::uint32_t>(kClientGroupsMax + 1)}).error(), EINVAL);
  ASSERT_TRUE(clients.add({.id = kBob, .uid = 7, .gid = 8, .groups = {9, 10}}).ok());
  ASSERT_TRUE(clients.add({.id = kAlice, .uid = 1}).ok());
  ASSERT_TRUE(clients.add({.id = kAlice, .uid = 2}).ok());
  name(0, 1, kBob);
  files.mkdir(fs::kRootNode, "d");
  {
    TestFiles again(kill(), "c", served());
    const auto list = again.pool().clients()->list();
    ASSERT_THAT(*list, SizeIs(2));
    EXPECT_EQ((*list)[0].id, kAlice);
    EXPECT_EQ((*list)[0].uid, 2U);
    EXPECT_EQ((*list)[1].id, kBob);
    EXPECT_EQ((*list)[1].groups, (std::vector<std::uint32_t>{9, 10}));
    EXPECT_THAT(remembered(again, kBob), IsEmpty()) << "not kept";
  }
  EXPECT_THAT(remembered(files, kBob), SizeIs(1));
  for (std::uint16_t slot = 1; slot < 1500; ++slot) {  // more than one slice
    name(slot, 1, kBob);
    ASSERT_TRUE(files.wait(files.fs().setxattr(files.root(), fs::kRootNode, "user.x", "y", fs::XattrFlags::kSet)).ok());
  }
  ASSERT_TRUE(clients.remove(kBob).ok());
  ASSERT_TRUE(clients.remove(kBob).ok()) << "again";
  name(1, 2, kBob);
  files.mkdir(fs::kRootNode, "e");
  ASSERT_TRUE(files.wait(clients.keep()).ok());
  const auto killed = kill();
  EXPECT_EQ(findings(killed), "");
  TestFiles(killed, "c", served()).close();
  RawStore raw(killed);
  EXPECT_THAT(raw.all(KeyKind::kClient), SizeIs(1));
  EXPECT_THAT(raw.all(KeyKind::kRemembered), IsEmpty());
}

TEST_F(ClientsTest, EveryChangingCallIsRememberedWithItsAnswer) {
  TestFiles files(pool_, "c", served());
  fs::FileSystem& fs = files.fs();
  const fs::Credential& root = files.root();
  ASSERT_TRUE(files.pool().clients()->add({.id = kAlice}).ok());
  std::map<std::uint16_t, std::uint64_t> nodes;  // slot -> the node that was answered
  const auto attr_of = [&](std::uint16_t slot, const fs::Attr& attr) { nodes[slot] = attr.node.value; };
  name(1);
  const auto d = files.wait(fs.mkdir(root, fs::kRootNode, "d", 0755));
  attr_of(1, *d);
  name(2);
  attr_of(2, *files.wait(fs.mknod(root, d->node, "fifo", S_IFIFO | 0644, 0)));
  name(3);
  attr_of(3, *files.wait(fs.symlink(root, d->node, "symlink", "target")));
  name(4);
  const auto made = files.wait(fs.create(root, d->node, "file", 0644, {.read = true, .write = true}));
  attr_of(4, made->attr);
  name(5);
  attr_of(5, files.wait(fs.create(root, d->node, "file", 0644, {.write = true}))->attr);
  name(6);
  attr_of(6, *files.wait(fs.link(root, made->attr.node, d->node, "link")));
  name(7);
  EXPECT_TRUE(files.write(made->file, 0, pattern(1, 10'000)).ok());
  name(8);
  EXPECT_TRUE(files.write(made->file, 10, pattern(1, 9 << 20)).ok()) << "in pieces";
  name(9);
  const auto set = files.wait(fs.setattr(root, made->attr.node, fs::SetAttr{.size_bytes = 77}));
  attr_of(9, *set);
  name(10);
  EXPECT_TRUE(files.wait(fs.setxattr(root, d->node, "user.x", "y", fs::XattrFlags::kSet)).ok());
  name(11);
  EXPECT_TRUE(files.wait(fs.removexattr(root, d->node, "user.x")).ok());
  name(12);
  EXPECT_TRUE(files.wait(fs.fallocate(made->file, fs::Fallocate::kAllocate, 0, 20'000)).ok());
  name(13);
  EXPECT_TRUE(files.wait(fs.rename(root, d->node, "link", d->node, "moved", fs::RenameFlags::kReplace)).ok());
  name(14);
  EXPECT_TRUE(files.wait(fs.unlink(root, d->node, "moved")).ok());
  name(15);
  const auto unnamed = files.wait(fs.create_unnamed(root, d->node, 0600));
  attr_of(15, unnamed->attr);
  name(16);
  EXPECT_TRUE(files.wait(fs.publish(root, unnamed->file, d->node, "published")).ok());
  name(17);
  const auto cut = files.wait(fs.open(root, made->attr.node, {.write = true, .truncate = true}));
  attr_of(17, cut->attr);
  files.mkdir(d->node, "sub");  // no name
  name(18);
  EXPECT_TRUE(files.wait(fs.rmdir(root, d->node, "sub")).ok());
  // Not remembered: what changes nothing, and what fails.
  name(20);
  EXPECT_TRUE(files.wait(fs.open(root, made->attr.node, {.read = true})));
  name(21);
  EXPECT_EQ(files.wait(fs.mkdir(root, fs::kRootNode, "d", 0755)).error().error(), EEXIST);
  name(22);
  EXPECT_EQ(files.wait(fs.unlink(root, d->node, "none")).error(), ENOENT);
  name(23, 1, kBob);  // nobody knows Bob
  files.mkdir(d->node, "by bob");
  name(18, 2);
  EXPECT_EQ(files.wait(fs.rmdir(root, d->node, "sub")).error(), ENOENT) << "the older success stays";
  name(1, 9);
  files.mkdir(d->node, "later");
  ASSERT_TRUE(files.wait(files.pool().clients()->keep()).ok());

  for (const bool after_kill : {false, true}) {
    SCOPED_TRACE(after_kill);
    std::unique_ptr<TestFiles> other;
    if (after_kill) other = std::make_unique<TestFiles>(kill(), "c", served());
    const auto found = remembered(after_kill ? *other : files);
    EXPECT_THAT(remembered(after_kill ? *other : files, kBob), IsEmpty());
    ASSERT_THAT(found, SizeIs(18));
    for (const auto& [slot, node] : nodes) {
      if (slot == 1) continue;
      EXPECT_EQ(found.at(slot).value, node) << slot;
      ASSERT_TRUE(found.at(slot).attr) << slot;
      EXPECT_EQ(found.at(slot).attr->node.value, node) << slot;
    }
    for (std::uint16_t slot = 1; slot <= 18; ++slot) {
      ASSERT_TRUE(found.contains(slot)) << slot;
      EXPECT_EQ(found.at(slot).sequence, slot == 1 ? 9U : 1U);
      EXPECT_EQ(found.at(slot).attr.has_value(), nodes.contains(slot)) << slot;
      EXPECT_EQ(found.at(slot).created, slot == 4 || slot == 15) << slot;
    }
    EXPECT_EQ(found.at(7).value, 10'000U);
    EXPECT_EQ(found.at(8).value, 9U << 20);
    EXPECT_EQ(found.at(9).attr->size_bytes, 77U);
  }
}

TEST_F(ClientsTest, WhatWasOpenWithoutANameWaitsForItsClients) {
  fs::NodeId unlinked;
  fs::NodeId left;
  fs::NodeId directory;
  std::uint64_t free_bytes = 0;
  TestFiles files(pool_, "c", served());
  ASSERT_TRUE(files.pool().clients()->add({.id = kAlice}).ok());
  ASSERT_TRUE(files.wait(files.fs().sync()).ok());
  free_bytes = files.pool().info().free_bytes;
  for (fs::NodeId* node : {&unlinked, &left}) {
    auto file = files.create(fs::kRootNode, "f", node);
    ASSERT_TRUE(files.write(*file, 0, pattern(1, 300'000)).ok());
    ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "f")).ok());
  }
  const auto unnamed = files.wait(files.fs().create_unnamed(files.root(), fs::kRootNode, 0600));
  directory = files.mkdir(fs::kRootNode, "d");
  ASSERT_TRUE(files.put(fs::kRootNode, "named", pattern(2, 5000)).ok());
  ASSERT_TRUE(files.wait(files.pool().clients()->keep()).ok());
  const auto killed = kill();
  EXPECT_EQ(findings(killed), "");
  {
    TestFiles again(killed, "c", served());
    EXPECT_EQ(again.get(unlinked).value_or(""), pattern(1, 300'000)) << "opened by number, read, closed";
    EXPECT_EQ(again.get(unlinked).value_or(""), pattern(1, 300'000)) << "still there for another";
    auto open = again.wait(again.fs().open(again.root(), unlinked, {.read = true, .write = true}));
    ASSERT_TRUE(open);
    auto publishing = again.wait(again.fs().open(again.root(), unnamed->attr.node, {.write = true}));
    ASSERT_TRUE(publishing);
    ASSERT_TRUE(again.wait(again.fs().publish(again.root(), publishing->file, fs::kRootNode, "published")).ok());
    ASSERT_TRUE(again.wait(again.fs().close(publishing->file)).ok());
    // Somebody may have had these open as well.
    const fs::NodeId named = *again.find("named");
    ASSERT_TRUE(again.wait(again.fs().unlink(again.root(), fs::kRootNode, "named")).ok());
    EXPECT_EQ(again.get(named).value_or(""), pattern(2, 5000));
    ASSERT_TRUE(again.wait(again.fs().rmdir(again.root(), fs::kRootNode, "d")).ok());
    EXPECT_TRUE(again.wait(again.fs().open(again.root(), directory, {.read = true})));

    ASSERT_TRUE(again.pool().clients()->release_orphans().ok());
    EXPECT_EQ(again.get(left).error().error(), ESTALE);
    EXPECT_EQ(again.get(named).error().error(), ESTALE);
    EXPECT_EQ(again.get(unlinked).value_or(""), pattern(1, 300'000)) << "it is open";
    ASSERT_TRUE(again.write(open->file, 0, "x").ok());
    ASSERT_TRUE(again.wait(again.fs().close(open->file)).ok());
    EXPECT_EQ(again.get(unlinked).error().error(), ESTALE);
    EXPECT_TRUE(again.find("published"));
    ASSERT_TRUE(again.wait(again.fs().unlink(again.root(), fs::kRootNode, "published")).ok());
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(again.wait(again.fs().sync()).ok());
    EXPECT_EQ(again.pool().info().free_bytes, free_bytes);
  }
  EXPECT_EQ(findings(killed), "");
  RawStore raw(killed);
  EXPECT_THAT(raw.all(KeyKind::kOrphan), SizeIs(1)) << "the directory was open until the end";
}

TEST_F(ClientsTest, WithoutClientsOrphansGoAtOnce) {
  TestFiles files(pool_, "c", served());
  fs::NodeId node;
  auto file = files.create(fs::kRootNode, "f", &node);
  ASSERT_TRUE(files.wait(files.fs().unlink(files.root(), fs::kRootNode, "f")).ok());
  ASSERT_TRUE(files.wait(files.pool().clients()->keep()).ok());
  TestFiles again(kill(), "c", served());
  EXPECT_EQ(again.get(node).error().error(), ESTALE);
}

TEST_F(ClientsTest, FsckKnowsTheirRecords) {
  {
    TestFiles files(pool_, "c", served());
    ASSERT_TRUE(files.pool().clients()->add({.id = kAlice}).ok());
    name(1);
    files.mkdir(fs::kRootNode, "d");
  }
  EXPECT_EQ(findings(pool_), "");
  const RememberedChange change{.sequence = 1};
  const std::vector<std::pair<std::string, std::string>> damage{
      {format::client_key(kBob), "?"},
      {format::remembered_key(kAlice, 1), "?"},
      {format::remembered_key(kBob, 1), format::encode(change)},
      {format::remembered_prefix(kAlice), format::encode(change)},
      {format::transaction_key(), "?"},
      {format::transaction_key() + "more", format::encode_transaction(1)},
  };
  for (const auto& [key, value] : damage) {
    {
      RawStore raw(pool_);
      raw.put(key, value);
    }
    EXPECT_NE(findings(pool_), "");
    EXPECT_NE(findings(pool_, true), "");
    EXPECT_EQ(findings(pool_), "");
    TestFiles files(pool_, "c", served());
    EXPECT_TRUE(files.find("d"));
    EXPECT_THAT(*files.pool().clients()->list(), SizeIs(1));
  }
}

}  // namespace
}  // namespace ross::engine
