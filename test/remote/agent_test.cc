// Goal: hosts have with an agent between them and the engine what they have without: what they hold and what they asked for outlives the
// agent, the engine and both; the engine judges each host as who it is; and a hostile host harms itself alone.
// Method: an engine's server and an agent's in this process, which are ended and started again while clients work; peers that write raw
// requests.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <thread>

#include "agent_server.h"
#include "base/random.h"
#include "base/random_bytes.h"
#include "engine/pool_fixture.h"
#include "errands.h"
#include "fabric/tcp/tcp.h"
#include "raw_changes.h"
#include "reaching.h"
#include "returning_client.h"
#include "self.h"

namespace ross::server {
namespace {

using namespace std::chrono_literals;
using remote_test::in_20_s;
using remote_test::RawPeer;
using wire::Op;

using remote_test::kSelf;
const fs::LockRange kLock{.owner = 1, .kind = fs::LockKind::kExclusive};

Result<std::unique_ptr<fabric::Domain>> tcp() { return fabric::tcp::make_domain({}); }

// An engine with a pool on files, and an agent.
class AgentTest : public remote_test::ReturningClientTest {
 protected:
  void SetUp() override {
    constexpr std::uint64_t kPoolBytes = 256ULL << 20;  // of which nothing is taken before it is used
    ASSERT_TRUE(engine::Pool::create(place, {.devices = {{.size_bytes = kPoolBytes}}}).ok());
    start_engine();
    ASSERT_TRUE(pool->create_container("c", {}).ok());
    start_agent();
  }
  void TearDown() override {
    stop_agent();
    stop_engine();
  }
  void start_engine(std::chrono::milliseconds lease = 20s) {
    engine::PoolOptions options;
    options.serves_clients = true;
    pool = *engine::Pool::open(place, options);
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *tcp(), .address = "127.0.0.1:0"};
    engine = *Server::start(*pool, std::move(listeners), {.patience = 0ms, .remembers = true, .lease = lease});
    engine_place.set(engine.get());
  }
  void stop_engine() {
    if (engine == nullptr) return;
    engine_place.set(nullptr);
    engine.reset();
    EXPECT_TRUE(pool->close().ok());
    pool.reset();
  }
  void start_agent() {
    const std::lock_guard lock(mutex);
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *tcp(), .address = "127.0.0.1:0"};
    agent = *Server::start(nothing, std::move(listeners),
                           {.patience = 0ms, .lease = 20s, .upstream = remote_test::upstream_to(engine_place, tcp)});
  }
  void stop_agent() {
    const std::lock_guard lock(mutex);
    agent.reset();
  }
  void prepare(client::Session& session) override {
    if (direct) session.reach(remote_test::reaching_by(tcp, 32 * 1024));
  }
  void starts_anew_under_load();
  // A host's session, as who is told.
  std::unique_ptr<fs::FileSystem> attach(uid_t uid = ::geteuid()) {
    return attach_to([this] { return agent.get(); }, uid, uid);
  }
  template <class Condition>
  bool comes_true(Condition&& condition) {
    // Files without a name go two leases after a server's start.
    constexpr std::int64_t kLeasesNs = 60'000'000'000;
    for (const std::int64_t until = system_clock().monotonic_ns() + kLeasesNs; system_clock().monotonic_ns() < until;) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }

  bool direct = false;
  engine::TestDirectory directory;
  const std::filesystem::path place = directory / "pool";
  std::unique_ptr<engine::Pool> pool;
  std::unique_ptr<Server> engine;
  remote_test::EnginePlace engine_place;
  remote_test::ModelPool nothing;
  std::unique_ptr<Server> agent;  // of those above; guarded by the mutex
};

TEST_F(AgentTest, WhatAHostHoldsOutlivesTheAgentTheEngineAndBoth) {
  auto remote = attach();
  const fs::Opened unlinked = create(*remote, "f");
  write(*remote, unlinked.file, "still here");
  ASSERT_TRUE(run(remote->unlink(kSelf, fs::kRootNode, "f")).ok());
  const auto unnamed = run(remote->create_unnamed(kSelf, fs::kRootNode, 0600));
  ASSERT_TRUE(unnamed.has_value());
  write(*remote, unnamed->file, "to be named");
  const fs::Opened locked = create(*remote, "locked");
  ASSERT_TRUE(run(remote->lock(locked.file, kLock, false)).ok());
  const std::function<void()> ends[] = {
      [this] { stop_agent(), start_agent(); },
      [this] { stop_engine(), start_engine(); },
      [this] { stop_agent(), stop_engine(), start_engine(), start_agent(); },
      [this] { stop_engine(), stop_agent(), start_agent(), start_engine(); },
      [this] { stop_agent(), start_agent(), stop_agent(), start_agent(); },
      [this] { stop_engine(), start_engine(); },  // knows from the agent what the host has, and the agent from the host
  };
  for (const auto& end : ends) {
    end();
    EXPECT_EQ(read(*remote, unlinked.file), "still here");
    auto other = attach();
    const auto opened = run(other->open(kSelf, locked.attr.node, {.read = true, .write = true}));
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    EXPECT_EQ(run(other->lock(opened->file, kLock, false)).error(), EAGAIN);
  }
  ASSERT_TRUE(run(remote->publish(kSelf, unnamed->file, fs::kRootNode, "named")).ok());
  EXPECT_EQ(read(*remote, unnamed->file), "to be named");
  ASSERT_TRUE(run(remote->unlock_owner(locked.file, kLock.owner)).ok());
  auto other = attach();
  const auto opened = run(other->open(kSelf, locked.attr.node, {.read = true, .write = true}));
  EXPECT_TRUE(run(other->lock(opened->file, kLock, false)).ok());
  ASSERT_TRUE(run(remote->close(unlinked.file)).ok());
  EXPECT_TRUE(comes_true([&] {
    const auto attr = run(other->getattr(unlinked.attr.node));
    return !attr.has_value() && attr.error().error() == ESTALE;
  }));
}

void AgentTest::starts_anew_under_load() {
  auto remote = attach();
  constexpr int kThreads = 2;
  constexpr int kWorkers = 3;  // on each
  constexpr int kRounds = 400;
  std::atomic<int> busy = kThreads;
  std::array<std::thread, kThreads> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads[static_cast<std::size_t>(t)] = std::thread([&, t] {
      auto own = *runtime::Loop::create();
      int done = 0;
      for (int w = 0; w < kWorkers; ++w) {
        own->start(remote_test::errands(*remote, t * kWorkers + w, kRounds), [&done](const Status& status) {
          EXPECT_TRUE(status.ok()) << status.message();
          ++done;
        });
      }
      while (done < kWorkers) own->wait();
      --busy;
    });
  }
  const auto has_moved = [](const Server& server) {
    const Server::MovedByAll& moved = server.moved();
    return moved.here + moved.direct + moved.past > 0;
  };
  Random random(3);
  int ends = 0;
  for (; busy > 0; ++ends) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(60)));
    // However slow this machine is, every second life sees data: or calls could wait for more than their patience.
    const Server& youngest = ends % 3 == 0 ? *engine : *agent;
    for (const std::int64_t until = in_20_s();
         ends % 2 == 0 && busy > 0 && !has_moved(youngest) && system_clock().monotonic_ns() < until;) {
      std::this_thread::sleep_for(1ms);
    }
    if (ends % 3 == 2) {
      stop_engine();
      start_engine();
    } else {
      stop_agent();
      start_agent();
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(ends, 3);
  const Status right = run(remote_test::errands_are_done(*remote, kThreads * kWorkers, kRounds));
  EXPECT_TRUE(right.ok()) << right.message();
}

TEST_F(AgentTest, NothingIsLostOrDoneTwiceWhenAgentAndEngineAreStartedAnew) { starts_anew_under_load(); }

TEST_F(AgentTest, NorWhenDataGoesPastTheAgent) {
  direct = true;
  starts_anew_under_load();
}

TEST_F(AgentTest, AHostThatLeavesLeavesTheEngine) {
  auto remote = attach();
  const fs::Opened file = create(*remote, "f");
  ASSERT_TRUE(run(remote->lock(file.file, kLock, false)).ok());
  EXPECT_EQ(engine->peers().size(), 1U);
  auto other = attach();
  const auto opened = run(other->open(kSelf, file.attr.node, {.read = true, .write = true}));
  // Waits for the lock, and for it the one that leaves waits for nothing.
  Status got(EINPROGRESS);
  loop->start(other->lock(opened->file, kLock, true), [&got](Status status) { got = std::move(status); });
  remote.reset();
  for (const std::int64_t until = in_20_s(); got.error() == EINPROGRESS && system_clock().monotonic_ns() < until;) {
    loop->wait(until);
  }
  EXPECT_TRUE(got.ok()) << got.message();
  other.reset();
  EXPECT_TRUE(comes_true([&] { return engine->peers().empty() && agent->peers().empty(); }));
}

TEST_F(AgentTest, AWaitForALockIsCalledOff) {
  auto holder = attach();
  const fs::Opened file = create(*holder, "f");
  ASSERT_TRUE(run(holder->lock(file.file, kLock, false)).ok());
  auto remote = attach();
  const auto opened = run(remote->open(kSelf, file.attr.node, {.read = true, .write = true}));
  ASSERT_TRUE(opened.has_value());
  Status got(EINPROGRESS);
  loop->start(remote->lock(opened->file, kLock, true), [&got](Status status) { got = std::move(status); });
  ASSERT_TRUE(run(remote->unlock_owner(opened->file, kLock.owner)).ok());
  for (const std::int64_t until = in_20_s(); got.error() == EINPROGRESS && system_clock().monotonic_ns() < until;) {
    loop->wait(until);
  }
  EXPECT_EQ(got.error(), EINTR);
}

TEST_F(AgentTest, TheEngineJudgesEachHostAsWhoItIs) {
  if (::geteuid() != 0) GTEST_SKIP() << "speaks for another user";
  const fs::Credential user{.uid = 1000, .gid = 1000};
  auto roots = attach();
  const fs::Opened file = create(*roots, "roots");
  auto theirs = attach(1000);
  EXPECT_EQ(run(theirs->open(user, file.attr.node, {.read = true})).error().error(), EACCES);
  EXPECT_EQ(run(theirs->mkdir(user, fs::kRootNode, "d", 0700)).error().error(), EACCES);
  EXPECT_EQ(run(theirs->lookup(kSelf, fs::kRootNode, "roots")).error().error(), EPERM);  // not for root
  ASSERT_TRUE(run(roots->mkdir(kSelf, fs::kRootNode, "home", 0700)).has_value());
  const auto home = run(roots->lookup(kSelf, fs::kRootNode, "home"));
  ASSERT_TRUE(run(roots->setattr(kSelf, home->node, {.uid = 1000, .gid = 1000}, {})).has_value());
  const auto made = run(theirs->mkdir(user, home->node, "d", 0700));
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_EQ(made->uid, 1000U);
  // An agent that let a host speak for root would be told so by the engine: the session there is the host's as well.
  Applicant relayed{.peer = {.pid = 0, .uid = 1000, .gid = 1000, .groups = {}}, .relayed = true};
  fill_random(relayed.client);
  const auto begun = engine->begin_session(relayed);
  ASSERT_TRUE(begun.has_value());
  auto session = *client::Session::connect(*tcp(), engine->addresses().at(0), begun->token, in_20_s());
  EXPECT_EQ(session->call_and_wait({.op = Op::kContainerCreate, .name = "x"}).error().error(), EPERM);
  auto at_engine = *client::open_container(std::move(session), "c");
  EXPECT_EQ(run(at_engine->lookup(kSelf, fs::kRootNode, "roots")).error().error(), EPERM);
}

TEST_F(AgentTest, ContainersAreTheEngines) {
  Applicant who{.peer = {.pid = 0, .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
  fill_random(who.client);
  const auto begun = agent->begin_session(who);
  auto session = *client::Session::connect(*tcp(), agent->addresses().at(0), begun->token, in_20_s());
  EXPECT_TRUE(session->call_and_wait({.op = Op::kContainerCreate, .name = "x"}).has_value());
  EXPECT_EQ(session->call_and_wait({.op = Op::kContainerCreate, .name = "x"}).error().error(), EEXIST);
  EXPECT_TRUE(pool->container("x").has_value());
  EXPECT_TRUE(session->call_and_wait({.op = Op::kContainerDestroy, .name = "x"}).has_value());
  EXPECT_EQ(session->call_and_wait({.op = Op::kContainerOpen, .name = "x"}).error().error(), ENOENT);
  EXPECT_TRUE(session->call_and_wait({.op = Op::kPoolSync}).has_value());
  const auto info = session->call_and_wait({.op = Op::kPoolInfo});
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(wire::decode_pool_info(info->text)->uuid, pool->info().uuid);
}

TEST_F(AgentTest, AnEngineThatIsAwayIsTold) {
  stop_engine();
  Applicant who{.peer = {.pid = 0, .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
  fill_random(who.client);
  EXPECT_EQ(agent->begin_session(who).error().error(), ECONNREFUSED);
  start_engine();
  EXPECT_TRUE(agent->begin_session(who).has_value());
}

// An engine over the model, which holds changes back for as long as the test likes, and an agent at a socket.
class AgentGateTest : public ::testing::Test, protected remote_test::RawChanges {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::local::make_domain({}), .address = directory / "engine"};
    engine = *Server::start(pool, std::move(listeners), {.patience = 0ms});
    place.set(engine.get());
    fill_random(client);
    start_agent(false);
  }
  void TearDown() override {
    pool.at("c").gate.open_gate();
    agent.reset();
    place.set(nullptr);
  }
  static Result<std::unique_ptr<fabric::Domain>> local() { return fabric::local::make_domain({}); }
  void start_agent(bool returning) {
    agent.reset();
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *local(), .address = directory / "agent"};
    agent = *Server::start(nothing, std::move(listeners),
                           {.patience = 0ms, .upstream = remote_test::upstream_to(place, local)});
    const auto begun =
        agent->begin_session({.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}},
                              .client = client,
                              .returning = returning});
    ASSERT_TRUE(begun.has_value()) << begun.error().message();
    EXPECT_FALSE(begun->resumed);
    hello = {.pid = ::getpid(), .session = begun->token};
  }
  [[nodiscard]] std::string socket() const { return directory / "agent"; }
  [[nodiscard]] std::uint64_t size() {
    auto loop = *runtime::Loop::create();
    return loop->block_on(pool.at("c").model.lookup(kSelf, fs::kRootNode, "f"))->size_bytes;
  }

  engine::TestDirectory directory;
  remote_test::ModelPool pool;
  remote_test::ModelPool nothing;
  remote_test::EnginePlace place;
  std::unique_ptr<Server> engine;
  std::unique_ptr<Server> agent;
  wire::ClientId client{};
  wire::Hello hello;
};

TEST_F(AgentGateTest, AChangeUnderWayIsMadeOnceThroughTwoAgents) {
  {
    RawPeer raw(socket(), hello);
    open(raw);
    pool.at("c").gate.close_gate();
    raw.send(RawPeer::encoded(append(3, 1)), 1000);
    raw.send(RawPeer::encoded(append(4, 2)), 1000);
    const auto waiting = [this] { return pool.at("c").gate.waiting() == 2; };
    for (const std::int64_t until = in_20_s(); !waiting() && system_clock().monotonic_ns() < until;)
      std::this_thread::sleep_for(1ms);
    ASSERT_TRUE(waiting());
  }
  start_agent(true);
  RawPeer back(socket(), hello);
  ASSERT_EQ(back.welcome_error(), 0);
  ASSERT_EQ(back.ask({.id = 10, .op = Op::kContainerOpen, .container = container, .name = "c"}), 0);
  wire::Request reopen{.id = 11, .op = Op::kReopen, .container = container, .node = 1, .file = file};
  reopen.uid = kSelf.uid;
  reopen.gid = kSelf.gid;
  back.send(RawPeer::encoded(append(3, 1)), 1000);
  EXPECT_EQ(back.reply_error(), EBADF);  // not before the file is told
  pool.at("c").gate.open_gate();
  ASSERT_EQ(back.ask(reopen), 0);
  ASSERT_EQ(back.ask({.id = 12, .op = Op::kReclaimed}), 0);
  wire::ReplyHeader header{};
  for (const std::uint16_t slot : {1, 2, 1}) {
    back.send(RawPeer::encoded(append(2U + slot, slot)), 1000);
    EXPECT_EQ(back.reply_error(&header), 0);
    EXPECT_EQ(header.value, 1000U);
  }
  EXPECT_EQ(size(), 2000U);
}

TEST_F(AgentGateTest, ACloseThatWaitsForOthersKeepsItsName) {
  {
    RawPeer raw(socket(), hello);
    open(raw);
    pool.at("c").gate.close_gate();
    raw.send(RawPeer::encoded(append(3, 1)), 1000);
    raw.send(RawPeer::encoded({.id = 5, .op = Op::kClose, .slot = 2, .container = container, .file = file}));
    raw.send(RawPeer::encoded({.op = Op::kPing}));
    EXPECT_EQ(raw.reply_error(), 0);  // so the close waits for the append
    pool.at("c").gate.open_gate();
    EXPECT_EQ(raw.reply_error(), 0);
    EXPECT_EQ(raw.reply_error(), 0);
  }
  start_agent(true);
  RawPeer back(socket(), hello);
  ASSERT_EQ(back.ask({.id = 10, .op = Op::kContainerOpen, .container = container, .name = "c"}), 0);
  ASSERT_EQ(back.ask({.id = 11, .op = Op::kReclaimed}), 0);
  EXPECT_EQ(back.ask(mkdir(4, 2, "d")), EPROTO) << "the engine knows of a later one in that slot";
  EXPECT_EQ(back.ask(mkdir(6, 2, "d")), 0);
}

TEST_F(AgentGateTest, AHostsIdsHarmItAlone) {
  RawPeer raw(socket(), hello);
  open(raw);
  pool.at("c").gate.close_gate();
  raw.send(RawPeer::encoded(append(7, 1)), 10);
  EXPECT_EQ(raw.ask(mkdir(7, 2, "same id")), EPROTO);
  EXPECT_EQ(raw.ask(mkdir(wire::kAgentIdsBegin, 3, "the agent's id")), EPROTO);
  EXPECT_EQ(raw.ask(mkdir(0, 4, "no id")), EPROTO);
  pool.at("c").gate.open_gate();
  EXPECT_EQ(raw.reply_error(), 0);
  EXPECT_EQ(raw.ask(mkdir(8, 2, "d")), 0);
  EXPECT_EQ(size(), 10U);
}

TEST_F(AgentGateTest, ASessionIsHadFromTheControlPlaneAlone) {
  RawPeer stranger(socket());
  EXPECT_EQ(stranger.welcome_error(), EACCES);
}

}  // namespace
}  // namespace ross::server
