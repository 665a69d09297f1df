// Goal: whoever calls through a connection that is lost sees a pause: no error, nothing lost, nothing done twice; and a
// wait that has no end becomes an error that says so.
// Method: a server over model file systems, behind a proxy that cuts connections at random moments while clients work;
// what they did is counted.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/random.h"
#include "base/random_bytes.h"
#include "client/remote_file_system.h"
#include "errands.h"
#include "fabric/tcp/tcp.h"
#include "model_pool.h"
#include "runtime/loop.h"
#include "self.h"
#include "server/server.h"
#include "tcp_proxy.h"

namespace ross::server {
namespace {

using namespace std::chrono_literals;
using remote_test::TcpProxy;

using remote_test::kSelf;
constexpr std::int64_t kMs = 1'000'000;

std::int64_t now_ns() { return system_clock().monotonic_ns(); }
std::int64_t in_20_s() { return now_ns() + 20'000 * kMs; }

class ComebackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    start({.lease = 20s});
    proxy = TcpProxy::to(server->addresses().at(0));
  }
  void start(ServerOptions options) {
    server.reset();
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::tcp::make_domain({}), .address = "127.0.0.1:0"};
    server = *Server::start(pool, std::move(listeners), std::move(options));
    if (proxy != nullptr) proxy->redirect(server->addresses().at(0));
  }
  static Applicant applicant(const wire::ClientId& id, bool returning) {
    return {.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}},
            .client = id,
            .returning = returning,
            .same_machine = true};
  }
  std::unique_ptr<fs::FileSystem> attach(client::Recovery::Options options = {.patience_ns = 20'000 * kMs}) {
    wire::ClientId id{};
    fill_random(id);
    const auto begun = server->begin_session(applicant(id, false));
    EXPECT_TRUE(begun.has_value()) << begun.error().message();
    auto session = client::Session::connect(*fabric::tcp::make_domain({}), proxy->address(), begun->token, in_20_s());
    EXPECT_TRUE(session.has_value()) << session.error().message();
    const Status outlives = (*session)->outlive(
        [this, id](std::int64_t) -> runtime::Task<Result<client::Recovery::Found>> {
          const std::lock_guard lock(server_mutex);
          if (server == nullptr) co_return fail(ECONNREFUSED, "nobody there");
          ROSS_CO_TRY(const Begun again, server->begin_session(applicant(id, true)));
          co_return client::Recovery::Found{proxy->address(), again.token, again.resumed};
        },
        options);
    EXPECT_TRUE(outlives.ok()) << outlives.message();
    return *client::open_container(*std::move(session), "c");
  }
  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }
  template <class Condition>
  bool comes_true(Condition&& condition) {
    for (const std::int64_t until = in_20_s(); now_ns() < until;) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }

  remote_test::ModelPool pool;
  std::mutex server_mutex;
  std::unique_ptr<Server> server;
  std::unique_ptr<TcpProxy> proxy;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
};

// Cuts all connections every few milliseconds until it goes.
class Cutter {
 public:
  Cutter(TcpProxy& proxy, std::uint64_t seed)
      : thread_([this, &proxy, seed] {
          Random random(seed);
          while (!ending_) {
            std::this_thread::sleep_for(std::chrono::microseconds(500 + random.below(40'000)));
            proxy.cut();
            ++cuts_;
          }
        }) {}
  ~Cutter() {
    ending_ = true;
    thread_.join();
  }
  [[nodiscard]] int cuts() const { return cuts_; }

 private:
  std::atomic<bool> ending_ = false;
  std::atomic<int> cuts_ = 0;
  std::thread thread_;
};

TEST_F(ComebackTest, NothingIsLostOrDoneTwiceWhenConnectionsAreCut) {
  auto remote = attach();
  constexpr int kThreads = 3;
  constexpr int kWorkers = 4;  // on each
  constexpr int kRounds = 60;
  std::array<std::thread, kThreads> threads;
  std::atomic<int> cuts = 0;
  {
    const Cutter cutter(*proxy, 1);
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
        for (const std::int64_t until = now_ns() + 120'000 * kMs; done < kWorkers && now_ns() < until;)
          own->wait(until);
        ASSERT_EQ(done, kWorkers);
      });
    }
    for (std::thread& thread : threads) thread.join();
    cuts = cutter.cuts();
  }
  EXPECT_GT(cuts, 5);
  const Status right = run(remote_test::errands_are_done(*remote, kThreads * kWorkers, kRounds));
  EXPECT_TRUE(right.ok()) << right.message();
}

TEST_F(ComebackTest, ALockIsHeldByOneThroughCuts) {
  constexpr int kClients = 3;
  constexpr int kTurns = 30;
  std::array<std::unique_ptr<fs::FileSystem>, kClients>
      remotes;  // there before the first cut: none outlives its making
  for (auto& remote : remotes) remote = attach();
  std::array<std::thread, kClients> threads;
  std::atomic<int> inside = 0;
  int counter = 0;  // guarded by the lock alone
  {
    const auto made = run(remotes[0]->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
    ASSERT_TRUE(made.has_value());
    const Cutter cutter(*proxy, 2);
    for (std::size_t i = 0; i < threads.size(); ++i) {
      threads[i] = std::thread([&, remote = remotes[i].get()] {
        auto own = *runtime::Loop::create();
        const auto file = own->block_on(remote->open(kSelf, made->attr.node, {.read = true, .write = true}));
        ASSERT_TRUE(file.has_value()) << file.error().message();
        for (int turn = 0; turn < kTurns; ++turn) {
          const fs::LockRange lock{.owner = 1, .kind = fs::LockKind::kExclusive};
          const Status locked = own->block_on(remote->lock(file->file, lock, true));
          ASSERT_TRUE(locked.ok()) << locked.message();
          EXPECT_EQ(inside.fetch_add(1), 0);
          ++counter;
          EXPECT_EQ(inside.fetch_sub(1), 1);
          const Status unlocked = own->block_on(remote->unlock_owner(file->file, 1));
          ASSERT_TRUE(unlocked.ok()) << unlocked.message();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_EQ(counter, kClients * kTurns);
}

TEST_F(ComebackTest, AServerThatFallsSilentIsGivenUpAndFoundAgain) {
  auto remote = attach({.patience_ns = 20'000 * kMs, .quiet_ns = 50 * kMs});
  ASSERT_TRUE(run(remote->mkdir(kSelf, fs::kRootNode, "before", 0700)).has_value());
  proxy->stop(true);
  std::thread mender([&] {
    std::this_thread::sleep_for(400ms);  // longer than the client waits for a silent server
    proxy->cut();
    proxy->stop(false);
  });
  const auto made = run(remote->mkdir(kSelf, fs::kRootNode, "d", 0700));
  mender.join();
  ASSERT_TRUE(made.has_value()) << made.error().message();
  EXPECT_EQ(run(remote->mkdir(kSelf, fs::kRootNode, "d", 0700)).error().error(), EEXIST);
}

TEST_F(ComebackTest, ACallThatTakesLongIsNoSilence) {
  auto remote = attach({.patience_ns = 20'000 * kMs, .quiet_ns = 20 * kMs});
  const auto file = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.write = true}));
  ASSERT_TRUE(file.has_value());
  pool.at("c").gate.close_gate();
  const std::uint64_t before = proxy->bytes();
  std::thread opener([&] {
    EXPECT_TRUE(comes_true([&] { return proxy->bytes() > before + 2000; }));  // pings go to and fro
    pool.at("c").gate.open_gate();
  });
  std::byte one{1};
  EXPECT_EQ(run(remote->write(file->file, 0, memory::Memory(&one, 1))).value_or(0), 1U);
  opener.join();
}

TEST_F(ComebackTest, AnOutageThatDoesNotEndBecomesAnError) {
  auto remote = attach({.patience_ns = 300 * kMs});
  {
    const std::lock_guard lock(server_mutex);
    server.reset();
  }
  const std::int64_t began = now_ns();
  const auto made = run(remote->mkdir(kSelf, fs::kRootNode, "d", 0700));
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().error(), ETIMEDOUT);
  EXPECT_NE(made.error().message().find("has been away for"), std::string::npos) << made.error().message();
  EXPECT_LT(now_ns() - began, 5'000 * kMs);
  EXPECT_GE(now_ns() - began, 250 * kMs);
  EXPECT_EQ(run(remote->getattr(fs::kRootNode)).error().error(), ETIMEDOUT);
}

TEST_F(ComebackTest, AServerThatDoesNotKnowTheClientAnyMoreSaysSo) {
  auto remote = attach();
  {
    const std::lock_guard lock(server_mutex);
    start({});
  }
  const auto made = run(remote->mkdir(kSelf, fs::kRootNode, "d", 0700));
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().error(), ESHUTDOWN);
  EXPECT_NE(made.error().message().find("has given this client up"), std::string::npos) << made.error().message();
}

TEST_F(ComebackTest, WhoStaysAwayLongerThanTheLeaseHasNothingLeft) {
  start({.lease = 100ms});
  auto remote = attach();
  const auto made = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  ASSERT_TRUE(run(remote->lock(made->file, {.owner = 1, .kind = fs::LockKind::kExclusive}, false)).ok());
  proxy->cut();
  EXPECT_TRUE(comes_true([&] { return server->peers().empty(); }));
  auto other = attach();
  const auto again = run(other->open(kSelf, made->attr.node, {.read = true, .write = true}));
  EXPECT_TRUE(run(other->lock(again->file, {.owner = 1, .kind = fs::LockKind::kExclusive}, false)).ok());
  EXPECT_EQ(run(remote->getattr(fs::kRootNode)).error().error(), ESHUTDOWN);
}

TEST_F(ComebackTest, AProcessThatIsKilledLeavesAtOnce) {
  // A process that holds a session until it is killed; its parent does not collect it before.
  const auto begun = [&](pid_t pid) {
    wire::ClientId id{};
    fill_random(id);
    Applicant who = applicant(id, false);
    who.peer.pid = pid;
    return server->begin_session(who);
  };
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ASSERT_TRUE(begun(child).has_value());
  EXPECT_EQ(server->peers().size(), 1U);
  ::kill(child, SIGKILL);
  const std::int64_t began = now_ns();
  EXPECT_TRUE(comes_true([&] { return server->peers().empty(); }));
  EXPECT_LT(now_ns() - began, 5'000 * kMs);  // the lease is 20 s
  int status = 0;
  ::waitpid(child, &status, 0);
}

}  // namespace
}  // namespace ross::server
