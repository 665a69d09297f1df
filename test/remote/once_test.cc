// Goal: a change is made once, whoever asks for it again, when and by which connection; and nobody gets at it with numbers that are
// not theirs. Method: peers that write raw requests to a server over model file systems, whose gate holds a change back for as long
// as the test likes.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>

#include "base/random_bytes.h"
#include "fabric/local/unix_domain.h"
#include "model_pool.h"
#include "raw_changes.h"
#include "self.h"
#include "server/server.h"

namespace ross::server {
namespace {

using remote_test::RawPeer;
using wire::Op;

using remote_test::kSelf;

class OnceTest : public ::testing::Test, protected remote_test::RawChanges {
 protected:
  void SetUp() override {
    char made[] = "/tmp/ross-once-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    directory = made;
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::local::make_domain({}), .address = path()};
    server = *Server::start(pool, std::move(listeners), {});
    fill_random(client);
    const auto begun = server->begin_session({.peer = peer(), .client = client});
    ASSERT_TRUE(begun.has_value());
    token = begun->token;
  }
  void TearDown() override {
    server.reset();
    std::filesystem::remove_all(directory);
  }
  void waits_for_what_is_at_work(wire::Request close);
  [[nodiscard]] std::string path() const { return (directory / "sock").string(); }
  static fabric::Peer peer() { return {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}; }
  [[nodiscard]] wire::Hello hello(std::uint32_t generation) const {
    return {.pid = ::getpid(), .generation = generation, .session = token};
  }
  [[nodiscard]] std::uint64_t size() {
    auto loop = *runtime::Loop::create();
    return loop->block_on(pool.at("c").model.lookup(kSelf, fs::kRootNode, "f"))->size_bytes;
  }

  std::filesystem::path directory;
  remote_test::ModelPool pool;
  std::unique_ptr<Server> server;
  wire::ClientId client{};
  wire::Token token{};
};

TEST_F(OnceTest, TheSameAgainIsAnsweredAgain) {
  RawPeer raw(path(), hello(0));
  open(raw);
  EXPECT_EQ(raw.ask(mkdir(3, 1, "d")), 0);
  EXPECT_EQ(raw.ask(mkdir(3, 1, "d")), 0);           // and not EEXIST
  EXPECT_EQ(raw.ask(mkdir(4, 1, "d")), EEXIST);      // another one
  EXPECT_EQ(raw.ask(mkdir(4, 1, "d")), EEXIST);      // what failed is tried again
  EXPECT_EQ(raw.ask(mkdir(5, 2, "d")), EEXIST);      // of another slot
  EXPECT_EQ(raw.ask(mkdir(3, 1, "other")), EPROTO);  // from behind a later one
}

TEST_F(OnceTest, OneThatIsUnderWayIsWaitedForByANewConnection) {
  RawPeer old(path(), hello(0));
  open(old);
  pool.at("c").gate.close_gate();
  old.send(RawPeer::encoded(append(3, 1)), 1000);
  old.send(RawPeer::encoded({.op = Op::kPing}));
  EXPECT_EQ(old.reply_error(), 0);  // so the append is at work
  RawPeer back(path(), hello(1));
  EXPECT_EQ(back.welcome_error(), 0);
  EXPECT_FALSE(old.next().has_value());  // its time is over
  back.send(RawPeer::encoded(append(3, 1)), 1000);
  back.send(RawPeer::encoded(append(3, 1)), 1000);
  back.send(RawPeer::encoded({.op = Op::kPing}));
  EXPECT_EQ(back.reply_error(), 0);
  pool.at("c").gate.open_gate();
  wire::ReplyHeader header{};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(back.reply_error(&header), 0);
    EXPECT_EQ(header.value, 1000U);
  }
  EXPECT_EQ(size(), 1000U);
}

// A connection leaves an append at work and is gone; the client closes by another.
void OnceTest::waits_for_what_is_at_work(wire::Request close) {
  RawPeer old(path(), hello(0));
  open(old);
  close.container = container;
  if (close.op == Op::kClose) close.file = file;
  pool.at("c").gate.close_gate();
  old.send(RawPeer::encoded(append(3, 1)), 1000);
  old.send(RawPeer::encoded({.op = Op::kPing}));
  EXPECT_EQ(old.reply_error(), 0);  // so the append is at work
  RawPeer back(path(), hello(1));
  EXPECT_EQ(back.welcome_error(), 0);
  EXPECT_FALSE(old.next().has_value());
  back.send(RawPeer::encoded(close));
  back.send(RawPeer::encoded({.id = 5, .op = Op::kFsync, .container = container, .file = file}));
  wire::ReplyHeader header{};
  EXPECT_EQ(back.reply_error(&header), EBADF);  // nobody finds it any more
  EXPECT_EQ(header.id, 5U);
  pool.at("c").gate.open_gate();
  EXPECT_EQ(back.reply_error(&header), 0);
  EXPECT_EQ(header.id, close.id);
  EXPECT_EQ(size(), 1000U);
}

TEST_F(OnceTest, ACloseWaitsForWhatAConnectionThatIsGoneLeftAtWork) {
  waits_for_what_is_at_work({.id = 4, .op = Op::kClose});
}

TEST_F(OnceTest, AContainerIsClosedWhenWhatAConnectionThatIsGoneLeftAtWorkIsDone) {
  waits_for_what_is_at_work({.id = 4, .op = Op::kContainerClose});
}

TEST_F(OnceTest, AContainerIsClosedThoughSomebodyWaitsForALockInIt) {
  const auto lock = [this](std::uint64_t id, std::uint64_t owner, std::uint32_t mode, const wire::Lock& range) {
    wire::Request request{.id = id, .op = Op::kLock, .container = container, .file = file};
    request.mode = mode;
    request.a = owner;
    request.text = wire::as_text(range);
    return RawPeer::encoded(request);
  };
  const wire::Lock one{.owner = 1, .begin = 0, .end = 10, .kind = 2};
  const wire::Lock other{.owner = 2, .begin = 0, .end = 10, .kind = 2};
  RawPeer old(path(), hello(0));
  open(old);
  old.send(lock(3, 1, 0, one));
  EXPECT_EQ(old.reply_error(), 0);
  old.send(lock(4, 2, wire::kLockWait, other));
  old.send(RawPeer::encoded({.op = Op::kPing}));
  EXPECT_EQ(old.reply_error(), 0);  // so it waits
  RawPeer back(path(), hello(1));
  EXPECT_EQ(back.welcome_error(), 0);
  EXPECT_EQ(back.ask({.id = 5, .op = Op::kContainerClose, .container = container}), 0);
}

TEST_F(OnceTest, ASlotIsNotUsedForAnotherWhileItsChangeIsUnderWay) {
  RawPeer raw(path(), hello(0));
  open(raw);
  pool.at("c").gate.close_gate();
  raw.send(RawPeer::encoded(append(3, 1)), 10);
  EXPECT_EQ(raw.ask(mkdir(4, 1, "d")), EPROTO);
  pool.at("c").gate.open_gate();
  EXPECT_EQ(raw.reply_error(), 0);
  EXPECT_EQ(raw.ask(mkdir(4, 1, "d")), 0);
}

TEST_F(OnceTest, AConnectionFromBeforeIsRefused) {
  RawPeer now(path(), hello(5));
  EXPECT_EQ(now.welcome_error(), 0);
  RawPeer late(path(), hello(4));
  EXPECT_EQ(late.welcome_error(), ESTALE);
  RawPeer beside(path(), hello(5));
  EXPECT_EQ(beside.welcome_error(), 0);
  EXPECT_EQ(now.ask({.op = Op::kPing}), 0);
}

TEST_F(OnceTest, SlotsAreForSessionsThatOutliveConnections) {
  RawPeer plain(path());
  EXPECT_EQ(plain.ask({.id = 1, .op = Op::kContainerOpen, .slot = 1, .name = "c"}), -1);
  RawPeer raw(path(), hello(0));
  EXPECT_EQ(raw.ask({.id = 1, .op = Op::kPoolSync, .slot = 1}), -1);  // is no change
}

TEST_F(OnceTest, NothingIsReclaimedThatNobodyLost) {
  RawPeer raw(path(), hello(0));
  open(raw);
  wire::Request again{.id = 3, .op = Op::kReopen, .container = container, .node = 1, .file = 77};
  again.uid = kSelf.uid;
  again.gid = kSelf.gid;
  EXPECT_EQ(raw.ask(again), EPERM);
  EXPECT_EQ(raw.ask({.id = 4, .op = Op::kContainerOpen, .slot = 2, .container = 9, .name = "c"}), EPERM);
}

TEST_F(OnceTest, ASessionIsItsClientsAndItsUsers) {
  EXPECT_TRUE(server->begin_session({.peer = peer(), .client = client, .returning = true})->resumed);
  fabric::Peer other = peer();
  other.uid += 1;
  EXPECT_EQ(server->begin_session({.peer = other, .client = client, .returning = true}).error().error(), EACCES);
  wire::ClientId stranger{};
  fill_random(stranger);
  EXPECT_EQ(server->begin_session({.peer = peer(), .client = stranger, .returning = true}).error().error(), ESTALE);
}

}  // namespace
}  // namespace ross::server
