// Goal: servers that share a pool are one to their clients: sessions are spread over them, a client finds its own again, also after
// a restart with more or fewer of them, what was answered is done once, and no lock is in two hands. Method: groups that follow each
// other on a pool that serves clients, with sessions that find the new one by themselves.
#include "server/server_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "engine/pool_fixture.h"
#include "errands.h"
#include "fabric/tcp/tcp.h"
#include "returning_client.h"
#include "self.h"

namespace ross::server {
namespace {

using namespace std::chrono_literals;
using remote_test::in_20_s;

using remote_test::kSelf;
const fs::LockRange kLock{.owner = 1, .kind = fs::LockKind::kExclusive};
constexpr std::int64_t kMs = 1'000'000;

std::int64_t now_ns() { return system_clock().monotonic_ns(); }

wire::ClientId named(std::uint8_t first) { return {first, 7}; }

TEST(Affinity, ANewClientGoesWhereTheFewestAre) {
  Affinity affinity(3);
  std::vector<std::shared_ptr<const Affinity::Binding>> bindings;
  std::multiset<std::size_t> servers;
  for (std::uint8_t i = 1; i <= 6; ++i) servers.insert(bindings.emplace_back(affinity.bind(named(i)))->server);
  EXPECT_EQ(servers, (std::multiset<std::size_t>{0, 0, 1, 1, 2, 2}));
  const std::size_t left = bindings[4]->server;
  bindings.erase(bindings.begin() + 4);
  EXPECT_EQ(affinity.bind(named(9))->server, left);
}

TEST(Affinity, AClientStaysWhileSomebodyHoldsIt) {
  Affinity affinity(2);
  auto first = affinity.bind(named(1));
  const std::size_t home = first->server;
  const auto other = affinity.bind(named(2));
  EXPECT_NE(other->server, home);
  auto again = affinity.bind(named(1));
  first.reset();
  EXPECT_EQ(affinity.bind(named(1)), again);
  again.reset();
  const auto third = affinity.bind(named(3));
  EXPECT_EQ(third->server, home);
  const auto fourth = affinity.bind(named(4));
  EXPECT_NE(affinity.bind(named(1))->server, fourth->server) << "it was let go of, and that one has more";
}

TEST(Affinity, WhoHasNoNameIsBoundEachTime) {
  Affinity affinity(2);
  const auto one = affinity.bind({});
  const auto two = affinity.bind({});
  EXPECT_NE(one->server, two->server);
}

class ServerGroupTest : public remote_test::ReturningClientTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(
        engine::Pool::create(place, {.devices = {{.kind = engine::DeviceKind::kFile, .size_bytes = 256 * kMiB}}}).ok());
    start(2);
    ASSERT_TRUE(pool->create_container("c", {}).ok());
  }
  void TearDown() override { stop(); }
  void start(std::size_t servers, std::chrono::milliseconds lease = 20s) {
    const std::lock_guard lock(mutex);
    engine::PoolOptions options;
    options.serves_clients = true;
    pool = *engine::Pool::open(place, options);
    const auto listen = [](std::size_t) -> Result<std::vector<Listener>> {
      std::vector<Listener> listeners(1);
      listeners[0] = {.domain = *fabric::tcp::make_domain({}), .address = "127.0.0.1:0"};
      return listeners;
    };
    auto started = ServerGroup::start(*pool, servers, listen, {.remembers = true, .lease = lease});
    ASSERT_TRUE(started.has_value()) << started.error().message();
    group = *std::move(started);
  }
  void stop() {
    const std::lock_guard lock(mutex);
    if (group == nullptr) return;
    group.reset();
    EXPECT_TRUE(pool->close().ok()) << "a session still had something open";
    pool.reset();
  }
  std::unique_ptr<fs::FileSystem> attach(const std::atomic<bool>* away = nullptr) {
    return attach_to([this, away] { return away != nullptr && *away ? nullptr : group.get(); });
  }
  static Applicant applicant(const wire::ClientId& id, bool returning = false) {
    return {
        .peer = {.pid = 0, .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}, .client = id, .returning = returning};
  }
  std::vector<std::size_t> sessions_by_server() {
    std::vector<std::size_t> counts;
    for (std::size_t i = 0; i < group->size(); ++i) counts.push_back(group->at(i).peers().size());
    return counts;
  }
  void drive_for(std::int64_t span_ns) {
    for (const std::int64_t until = now_ns() + span_ns; now_ns() < until;) loop->wait(until);
  }
  bool comes_true(const std::function<bool()>& condition) {
    for (const std::int64_t until = in_20_s(); now_ns() < until;) {
      if (condition()) return true;
      loop->wait(now_ns() + kMs);
    }
    return false;
  }
  // A client that is away calls again, and so comes back.
  void call(fs::FileSystem& remote) {
    auto own = *runtime::Loop::create();
    EXPECT_TRUE(own->block_on(remote.getattr(fs::kRootNode)).has_value());
  }
  fs::FileId open(fs::FileSystem& remote, fs::NodeId node) {
    const auto opened = run(remote.open(kSelf, node, {.read = true, .write = true}));
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return opened->file;
  }

  engine::TestDirectory directory;
  const std::filesystem::path place = directory / "pool";
  std::unique_ptr<engine::Pool> pool;  // this and the group are guarded by the mutex
  std::unique_ptr<ServerGroup> group;
};

TEST_F(ServerGroupTest, SessionsAreSpread) {
  std::vector<std::unique_ptr<fs::FileSystem>> remotes;
  for (int i = 0; i < 6; ++i) remotes.push_back(attach());
  EXPECT_EQ(sessions_by_server(), (std::vector<std::size_t>{3, 3}));
  const fs::Opened made = create(*remotes[0], "f");
  write(*remotes[0], made.file, "seen by all");
  for (const auto& remote : remotes) EXPECT_EQ(read(*remote, open(*remote, made.attr.node)), "seen by all");
}

TEST_F(ServerGroupTest, AClientFindsItsSessionAgain) {
  const auto first = group->begin_session(applicant(named(1)));
  const auto second = group->begin_session(applicant(named(2)));
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_NE(first->addresses, second->addresses);
  const auto third = group->begin_session(applicant(named(3)));  // where the first one is
  ASSERT_TRUE(third.has_value());
  for (const auto* begun : {&*first, &*second, &*third}) {
    const std::uint8_t id = begun == &*first ? 1 : begun == &*second ? 2 : 3;
    const auto again = group->begin_session(applicant(named(id), true));
    ASSERT_TRUE(again.has_value()) << again.error().message();
    EXPECT_TRUE(again->resumed);
    EXPECT_EQ(again->token, begun->token);
    EXPECT_EQ(again->addresses, begun->addresses);
  }
}

TEST_F(ServerGroupTest, SessionsAreRenewedAndClosedWhereverTheyAre) {
  const auto first = group->begin_session(applicant(named(1)));
  const auto second = group->begin_session(applicant(named(2)));
  ASSERT_TRUE(first.has_value() && second.has_value());
  for (const auto* begun : {&*first, &*second}) {
    EXPECT_TRUE(group->renew_session(begun->token, applicant({})).ok());
    EXPECT_TRUE(group->close_session(begun->token, applicant({})).ok());
  }
  EXPECT_TRUE(comes_true([this] { return sessions_by_server() == std::vector<std::size_t>{0, 0}; }));
  EXPECT_EQ(group->renew_session(second->token, applicant({})).error(), ESTALE);
}

TEST_F(ServerGroupTest, EndingSessionsReachesAllServers) {
  for (std::uint8_t i = 1; i <= 4; ++i) ASSERT_TRUE(group->begin_session(applicant(named(i))).has_value());
  EXPECT_EQ(group->end_sessions([](const identity::Principal&) { return true; }), 4U);
  EXPECT_TRUE(comes_true([this] { return sessions_by_server() == std::vector<std::size_t>{0, 0}; }));
  const auto gone = group->begin_session(applicant(named(2), true));
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().error(), ESTALE);
}

TEST_F(ServerGroupTest, SessionsAreCountedForThePool) {
  for (std::size_t i = 0; i < Server::kSessionsMax; ++i)
    ASSERT_TRUE(group->begin_session(applicant({})).has_value()) << i;
  const auto one_more = group->begin_session(applicant({}));
  ASSERT_FALSE(one_more.has_value());
  EXPECT_EQ(one_more.error().error(), EUSERS);
}

TEST_F(ServerGroupTest, NothingIsLostOrDoneTwiceWithMoreOrFewerServers) {
  constexpr int kClients = 3;
  constexpr int kWorkers = 2;  // of each
  constexpr int kRounds = 150;
  std::vector<std::unique_ptr<fs::FileSystem>> remotes;
  for (int i = 0; i < kClients; ++i) remotes.push_back(attach());
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      auto own = *runtime::Loop::create();
      int ended = 0;
      for (int w = 0; w < kWorkers; ++w) {
        own->start(remote_test::errands(*remotes[static_cast<std::size_t>(i)], i * kWorkers + w, kRounds),
                   [&ended](const Status& status) {
                     EXPECT_TRUE(status.ok()) << status.message();
                     ++ended;
                   });
      }
      for (const std::int64_t until = now_ns() + 120'000 * kMs; ended < kWorkers && now_ns() < until;) own->wait(until);
      EXPECT_EQ(ended, kWorkers);
      ++done;
    });
  }
  int restarts = 0;
  for (const std::size_t servers : {3U, 1U, 4U, 2U}) {
    std::this_thread::sleep_for(30ms);  // so that they are at work; whatever it meets has to be right
    if (done == kClients) break;
    stop();
    start(servers);
    ++restarts;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(restarts, 0);
  const Status outcome = run(remote_test::errands_are_done(*remotes[0], kClients * kWorkers, kRounds));
  EXPECT_TRUE(outcome.ok()) << outcome.message();
}

TEST_F(ServerGroupTest, ALockAtOneServerIsItsHoldersUntilHeIsBackForAll) {
  std::atomic<bool> away = false;
  auto holder = attach(&away);
  const fs::Opened file = create(*holder, "f");
  ASSERT_TRUE(run(holder->lock(file.file, kLock, false)).ok());
  away = true;
  stop();
  start(3);
  auto other = attach();
  EXPECT_EQ(sessions_by_server(), (std::vector<std::size_t>{0, 1, 0})) << "it is not where the holder is awaited";
  const fs::FileId opened = open(*other, file.attr.node);
  Status tried(EINPROGRESS);
  loop->start(other->lock(opened, kLock, false), [&tried](Status status) { tried = std::move(status); });
  drive_for(200 * kMs);
  EXPECT_EQ(tried.error(), EINPROGRESS);
  away = false;
  std::thread caller([&] { call(*holder); });
  EXPECT_TRUE(comes_true([&tried] { return tried.error() != EINPROGRESS; }));
  caller.join();
  EXPECT_EQ(tried.error(), EAGAIN);
  ASSERT_TRUE(run(holder->unlock_owner(file.file, kLock.owner)).ok());
  EXPECT_TRUE(run(other->lock(opened, kLock, false)).ok());
}

TEST_F(ServerGroupTest, TheGraceLastsUntilTheLastServersClientsAreBackOrGivenUp) {
  std::atomic<bool> away = false;
  auto gone = attach(&away);
  auto back = attach();
  const fs::Opened file = create(*gone, "f");
  const fs::FileId same = open(*back, file.attr.node);
  ASSERT_TRUE(run(gone->lock(file.file, kLock, false)).ok());
  away = true;
  stop();
  const std::int64_t began = now_ns();
  start(2, 3s);
  call(*back);
  EXPECT_TRUE(comes_true([this] { return group->at(0).peers().size() + group->at(1).peers().size() == 1; }));
  EXPECT_TRUE(run(back->lock(same, kLock, false)).ok());
  EXPECT_GE(now_ns() - began, 3'000 * kMs) << "the lock was granted while its holder could have come back";
  away = false;
  EXPECT_EQ(run(gone->getattr(fs::kRootNode)).error().error(), ESHUTDOWN);
}

// A server that stops before the others gives back the locks of its clients, and theirs must not hear that they have them now.
TEST_F(ServerGroupTest, NoLockIsInTwoHandsWhenServersStopOneAfterTheOther) {
  auto holder = attach();
  auto other = attach();
  const fs::Opened file = create(*holder, "f");
  const fs::FileId same = open(*other, file.attr.node);
  ASSERT_TRUE(run(holder->lock(file.file, kLock, false)).ok());
  Status waited(EINPROGRESS);
  loop->start(other->lock(same, kLock, true), [&waited](Status status) { waited = std::move(status); });
  for (int times = 0; times < 10; ++times) {
    drive_for(20 * kMs);
    stop();
    start(2);
    std::thread caller([&] { call(*holder); });
    EXPECT_TRUE(comes_true([this] { return group->at(0).peers().size() + group->at(1).peers().size() == 2; }));
    caller.join();
    ASSERT_EQ(waited.error(), EINPROGRESS) << "after " << times << " restarts";
  }
  ASSERT_TRUE(run(holder->unlock_owner(file.file, kLock.owner)).ok());
  EXPECT_TRUE(comes_true([&waited] { return waited.error() != EINPROGRESS; }));
  EXPECT_TRUE(waited.ok()) << waited.message();
}

TEST_F(ServerGroupTest, AServerThatCannotListenIsTheEndOfAll) {
  auto own = *engine::Pool::open(
      [this] {
        const auto other = directory / "other";
        EXPECT_TRUE(engine::Pool::create(other, engine::small_pool()).ok());
        return other;
      }(),
      {});
  const auto listen = [](std::size_t server) -> Result<std::vector<Listener>> {
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::tcp::make_domain({}), .address = server < 2 ? "127.0.0.1:0" : "192.0.2.1:0"};
    return listeners;
  };
  const auto started = ServerGroup::start(*own, 3, listen, {});
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().error(), EADDRNOTAVAIL);
  EXPECT_TRUE(own->close().ok());
}

}  // namespace
}  // namespace ross::server
