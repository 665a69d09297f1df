// Goal: a client has after its server's restart what it had before: files without a name, locks, the right to publish; nobody else
// gets at it in between; and what a client had that does not come back is given up. Method: a pool that serves clients, and servers
// that follow each other on it; sessions that find the new one by themselves.
#include <gtest/gtest.h>

#include <thread>

#include "engine/pool_fixture.h"
#include "fabric/tcp/tcp.h"
#include "returning_client.h"
#include "self.h"
#include "server/server.h"

namespace ross::server {
namespace {

using namespace std::chrono_literals;
using remote_test::in_20_s;

using remote_test::kSelf;
const fs::LockRange kLock{.owner = 1, .kind = fs::LockKind::kExclusive};
constexpr std::int64_t kMs = 1'000'000;

class RestartTest : public remote_test::ReturningClientTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(engine::Pool::create(place, engine::small_pool()).ok());
    start(20s);
    ASSERT_TRUE(pool->create_container("c", {}).ok());
  }
  void TearDown() override { stop(); }
  void start(std::chrono::milliseconds lease) {
    const std::lock_guard lock(mutex);
    engine::PoolOptions options;
    options.serves_clients = true;
    pool = *engine::Pool::open(place, options);
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::tcp::make_domain({}), .address = "127.0.0.1:0"};
    server = *Server::start(*pool, std::move(listeners),
                            {.patience = std::chrono::milliseconds(0), .remembers = true, .lease = lease});
  }
  void stop() {
    const std::lock_guard lock(mutex);
    if (server == nullptr) return;
    server->finish();
    server.reset();
    EXPECT_TRUE(pool->close().ok());
    pool.reset();
  }
  // away: it does not come back before that is false.
  std::unique_ptr<fs::FileSystem> attach(const std::atomic<bool>* away = nullptr) {
    return attach_to([this, away] { return away != nullptr && *away ? nullptr : server.get(); });
  }

  bool goes(fs::FileSystem& remote, fs::NodeId node) {
    for (const std::int64_t until = in_20_s(); system_clock().monotonic_ns() < until;) {
      const auto attr = run(remote.getattr(node));
      if (!attr.has_value()) return attr.error().error() == ESTALE;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }

  engine::TestDirectory directory;
  const std::filesystem::path place = directory / "pool";
  std::unique_ptr<engine::Pool> pool;  // this and the server are guarded by the mutex
  std::unique_ptr<Server> server;
};

TEST_F(RestartTest, FilesWithoutANameAreThereAgain) {
  auto remote = attach();
  const fs::Opened unlinked = create(*remote, "f");
  write(*remote, unlinked.file, "still here");
  ASSERT_TRUE(run(remote->unlink(kSelf, fs::kRootNode, "f")).ok());
  const auto unnamed = run(remote->create_unnamed(kSelf, fs::kRootNode, 0600));
  ASSERT_TRUE(unnamed.has_value());
  write(*remote, unnamed->file, "to be named");
  for (int times = 0; times < 3; ++times) {
    stop();
    start(2s);
    EXPECT_EQ(read(*remote, unlinked.file), "still here");
  }
  ASSERT_TRUE(run(remote->publish(kSelf, unnamed->file, fs::kRootNode, "named")).ok());
  EXPECT_EQ(read(*remote, unnamed->file), "to be named");
  ASSERT_TRUE(run(remote->close(unlinked.file)).ok());
  EXPECT_TRUE(goes(*remote, unlinked.attr.node));  // and its space is back
}

TEST_F(RestartTest, AFileThatIsOpenedAgainIsStillItsOpeners) {
  if (::geteuid() != 0) GTEST_SKIP() << "speaks for another user";
  const fs::Credential user{.uid = 1000, .gid = 1000};
  auto remote = attach();
  const auto file = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  ASSERT_TRUE(file.has_value());
  fs::SetAttr given;
  given.uid = user.uid;
  given.mode = 0600;
  ASSERT_TRUE(run(remote->setattr(kSelf, file->attr.node, given, {})).has_value());
  const auto open = run(remote->open(user, file->attr.node, {.read = true, .write = true}));
  ASSERT_TRUE(open.has_value());
  fs::SetAttr closed_to_all;
  closed_to_all.mode = 04001;
  ASSERT_TRUE(run(remote->setattr(user, file->attr.node, closed_to_all, {})).has_value());
  stop();
  start(20s);
  write(*remote, open->file, "not by root");
  EXPECT_EQ(run(remote->getattr(file->attr.node))->mode & 07777, 0001U) << "the set-id bit outlived a user's write";
}

TEST_F(RestartTest, ALockIsItsHoldersUntilHeIsBack) {
  std::atomic<bool> away = false;
  auto holder = attach(&away);
  const fs::Opened file = create(*holder, "f");
  ASSERT_TRUE(run(holder->lock(file.file, kLock, false)).ok());
  away = true;
  stop();
  start(20s);
  auto other = attach();
  const auto opened = run(other->open(kSelf, file.attr.node, {.read = true, .write = true}));
  ASSERT_TRUE(opened.has_value());
  // It would get the lock from a server that knows of nobody.
  Status tried(EINPROGRESS);
  loop->start(other->lock(opened->file, kLock, false), [&tried](Status status) { tried = std::move(status); });
  for (const std::int64_t until = system_clock().monotonic_ns() + 200 * kMs; system_clock().monotonic_ns() < until;)
    loop->wait(until);
  EXPECT_EQ(tried.error(), EINPROGRESS);
  away = false;
  std::thread caller([&] {
    auto own = *runtime::Loop::create();
    EXPECT_TRUE(own->block_on(holder->getattr(fs::kRootNode)).has_value());
  });
  for (const std::int64_t until = in_20_s(); tried.error() == EINPROGRESS && system_clock().monotonic_ns() < until;)
    loop->wait(until);
  caller.join();
  EXPECT_EQ(tried.error(), EAGAIN);
  ASSERT_TRUE(run(holder->unlock_owner(file.file, kLock.owner)).ok());
  EXPECT_TRUE(run(other->lock(opened->file, kLock, false)).ok());
}

TEST_F(RestartTest, WhoDoesNotComeBackIsGivenUp) {
  std::atomic<bool> away = false;
  auto gone = attach(&away);
  const fs::Opened file = create(*gone, "f");
  ASSERT_TRUE(run(gone->lock(file.file, kLock, false)).ok());
  const auto unnamed = run(gone->create_unnamed(kSelf, fs::kRootNode, 0600));
  ASSERT_TRUE(unnamed.has_value());
  away = true;
  stop();
  start(300ms);
  auto other = attach();
  const auto opened = run(other->open(kSelf, file.attr.node, {.read = true, .write = true}));
  EXPECT_TRUE(run(other->lock(opened->file, kLock, false)).ok());  // waits until the lease is over
  EXPECT_TRUE(goes(*other, unnamed->attr.node));
  away = false;
  EXPECT_EQ(run(gone->getattr(fs::kRootNode)).error().error(), ESHUTDOWN);
}

}  // namespace
}  // namespace ross::server
