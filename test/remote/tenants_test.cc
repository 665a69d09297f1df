// Goal: a tenant's session does what its tenant may, request by request, and nothing of another's; who is revoked is gone at once; and
// every attempt that was refused is in the audit, one line each.
// Method: a server over model file systems with tenants a (all of c, to read d) and b (all of d), sessions as a control plane begins them,
// and raw peers that ask for what a client never would.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/random_bytes.h"
#include "base/read_file.h"
#include "client/remote_file_system.h"
#include "fabric/local/unix_domain.h"
#include "identity/directory.h"
#include "model_pool.h"
#include "raw_peer.h"
#include "self.h"
#include "server/server.h"

namespace ross::server {
namespace {

using namespace std::chrono_literals;
using remote_test::RawPeer;
using wire::Op;

constexpr uid_t kNobody = 65534;
using remote_test::in_20_s;
using remote_test::kSelf;

class TenantsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char made[] = "/tmp/ross-tenants-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    folder = made;
    for (const char* const container : {"c", "d", "e"}) ASSERT_TRUE(pool.create_container(container, {}).ok());
    tenants = *identity::Directory::open(
        {.tenants = {{.name = "a", .read = {"p/d"}, .admin = {"p/c", "p/a-*"}}, {.name = "b", .admin = {"p/d"}}},
         .audit_path = folder / "audit"});
    start({});
  }
  void TearDown() override {
    server.reset();
    std::filesystem::remove_all(folder);
  }
  void start(std::chrono::milliseconds lifetime) {
    std::vector<Listener> listeners(1);
    listeners[0].domain = *fabric::local::make_domain({});
    listeners[0].address = path();
    server.reset();
    server = *Server::start(pool, std::move(listeners),
                            {.lease = 20'000ms, .tenants = tenants, .export_name = "p", .session_lifetime = lifetime});
  }
  [[nodiscard]] std::string path() const { return folder / "sock"; }
  identity::Principal tenant(std::string_view name, identity::Access most = identity::Access::kAdmin) const {
    return {.tenant = tenants->find(name),
            .most = most,
            .credential = {.kind = identity::Credential::Kind::kToken, .id = "n-" + std::string(name), .issued_s = 1}};
  }
  Applicant applicant(std::string_view name) const {
    return {.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}, .who = tenant(name)};
  }
  wire::Hello hello(const wire::Token& token) const { return {.pid = ::getpid(), .session = token}; }
  std::unique_ptr<RawPeer> peer(std::string_view name) {
    const auto begun = server->begin_session(applicant(name));
    EXPECT_TRUE(begun.has_value()) << begun.error().message();
    return std::make_unique<RawPeer>(path(), hello(begun->token));
  }
  std::unique_ptr<client::Session> session(const Applicant& who) {
    const auto begun = server->begin_session(who);
    EXPECT_TRUE(begun.has_value()) << begun.error().message();
    return *client::Session::connect(*fabric::local::make_domain({}), path(), begun->token, in_20_s());
  }
  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }
  std::vector<std::string> audited() const {
    std::vector<std::string> lines(1);
    for (const char c : *read_file(folder / "audit")) {
      if (c == '\n') {
        lines.emplace_back();
      } else {
        lines.back().push_back(c);
      }
    }
    lines.pop_back();
    return lines;
  }
  // One line more than before, which says so.
  void expect_audited(std::string_view reason, std::string_view tenant, std::string_view what) {
    const std::vector<std::string> lines = audited();
    ASSERT_EQ(lines.size(), ++lines_seen);
    const auto says = [&lines](std::string_view key, std::string_view value) {
      const std::string text = "\"" + std::string(key) + "\":\"" + std::string(value) + "\"";
      EXPECT_NE(lines.back().find(text), std::string::npos) << text << " in " << lines.back();
    };
    says("reason", reason);
    if (!tenant.empty()) says("tenant", tenant);
    says("what", what);
  }

  std::filesystem::path folder;
  remote_test::ModelPool pool;
  std::shared_ptr<identity::Directory> tenants;
  std::unique_ptr<Server> server;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  std::size_t lines_seen = 0;
};

TEST_F(TenantsTest, MayWhatItMay) {
  const std::shared_ptr<client::Session> own = session(applicant("a"));
  auto files = *client::open_container(own, "c");
  const auto file = run(files->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  ASSERT_TRUE(file.has_value()) << file.error().message();
  std::vector<std::byte> data(100'000, std::byte{7});
  EXPECT_EQ(run(files->write(file->file, 0, memory::Memory(data))).value(), data.size());
  EXPECT_TRUE(run(files->close(file->file)).ok());
  EXPECT_TRUE(audited().empty());
}

// What sessions have used is told while they are there, and when they have gone.
TEST_F(TenantsTest, CountsWhatATenantUses) {
  std::vector<std::byte> data(100'000, std::byte{7});
  std::uint64_t operations = 0;
  {
    auto files = *client::open_container(session(applicant("a")), "c");
    const auto file = run(files->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
    ASSERT_TRUE(file.has_value());
    ASSERT_EQ(run(files->write(file->file, 0, memory::Memory(data))).value(), data.size());
    ASSERT_EQ(run(files->read(file->file, 60'000, memory::Memory(data))).value(), 40'000U);
    const Usage usage = server->usage_of("a");
    EXPECT_EQ(usage.bytes_written, data.size());
    EXPECT_EQ(usage.bytes_read, 40'000U);
    EXPECT_GE(usage.operations, 4U);
    EXPECT_EQ(usage.waited_for_limit, 0U);
    EXPECT_EQ(usage.waited_for_turn, 0U);
    EXPECT_TRUE(run(files->close(file->file)).ok());
    operations = server->usage_of("a").operations;
  }
  EXPECT_GE(server->usage_of("a").operations, operations);
  EXPECT_EQ(server->usage_of("a").bytes_written, data.size());
  EXPECT_EQ(server->usage_of("b").operations, 0U);
}

TEST_F(TenantsTest, WhoMayOnlyReadChangesNothing) {
  std::uint64_t f = 0;
  {
    auto files = *client::open_container(session(applicant("b")), "d");
    const auto file = run(files->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
    ASSERT_TRUE(file.has_value());
    f = file->attr.node.value;
    ASSERT_TRUE(run(files->close(file->file)).ok());
  }
  const auto reader = peer("a");
  wire::ReplyHeader reply{};
  ASSERT_EQ(reader->ask({.op = Op::kContainerOpen, .name = "d"}, &reply), 0);
  const auto container = static_cast<std::uint32_t>(reply.value);
  const auto ask = [&](wire::Request request, wire::ReplyHeader* answer = nullptr) {
    request.container = container;
    request.uid = kSelf.uid;
    request.gid = kSelf.gid;
    return reader->ask(request, answer);
  };
  // By the same requests the container's own tenant changes it.
  const std::uint64_t root = fs::kRootNode.value;
  ASSERT_EQ(ask({.op = Op::kOpen, .node = f, .mode = wire::kOpenRead}, &reply), 0);
  const std::uint64_t file = reply.value;
  EXPECT_EQ(ask({.op = Op::kRead, .file = file, .b = 10}), 0);
  EXPECT_EQ(ask({.op = Op::kReaddir, .node = root, .b = 10}), 0);
  EXPECT_EQ(ask({.op = Op::kFsync, .file = file}), 0);
  EXPECT_EQ(ask({.op = Op::kAccess, .node = f, .mode = R_OK}), 0);
  EXPECT_TRUE(audited().empty());
  const wire::SetAttr set{.set = wire::kSetMode, .mode = 0777};
  const wire::Request changes[] = {
      {.op = Op::kMkdir, .node = root, .mode = 0700, .name = "x"},
      {.op = Op::kMknod, .node = root, .mode = S_IFREG | 0600, .name = "x"},
      {.op = Op::kSymlink, .node = root, .name = "x", .text = "y"},
      {.op = Op::kLink, .node = f, .other = root, .name = "x"},
      {.op = Op::kUnlink, .node = root, .name = "f"},
      {.op = Op::kRmdir, .node = root, .name = "f"},
      {.op = Op::kRename, .node = root, .other = root, .name = "f", .name2 = "g"},
      {.op = Op::kSetattr, .node = f, .text = wire::as_text(set)},
      {.op = Op::kAccess, .node = f, .mode = W_OK},
      {.op = Op::kSetxattr, .node = f, .name = "user.x", .text = "y"},
      {.op = Op::kRemovexattr, .node = f, .name = "user.x"},
      {.op = Op::kOpen, .node = f, .mode = wire::kOpenRead | wire::kOpenWrite},
      {.op = Op::kOpen, .node = f, .mode = wire::kOpenRead | wire::kOpenTruncate},
      {.op = Op::kCreate, .node = root, .a = wire::kOpenRead, .mode = 0600, .name = "f"},
      {.op = Op::kCreateUnnamed, .node = root, .mode = 0600},
      {.op = Op::kPublish, .node = root, .file = file, .name = "x"},
      {.op = Op::kWrite, .file = file},
      {.op = Op::kFallocate, .file = file, .b = 10},
  };
  for (const wire::Request& request : changes) {
    EXPECT_EQ(ask(request), EROFS) << static_cast<int>(request.op);
    expect_audited("missing-right", "a", "write p/d");
  }
  EXPECT_EQ(reader->ask({.op = Op::kContainerDestroy, .name = "d"}), EACCES);
  expect_audited("missing-right", "a", "admin p/d");
  EXPECT_EQ(ask({.op = Op::kClose, .file = file}), 0);
}

TEST_F(TenantsTest, WhatIsAnothersIsNotThere) {
  const auto b = peer("b");
  for (const char* const name : {"c", "nothing"}) {
    EXPECT_EQ(b->ask({.op = Op::kContainerOpen, .name = name}), ENOENT);
    expect_audited("not-yours", "b", "p/" + std::string(name));
    EXPECT_EQ(b->ask({.op = Op::kContainerInfo, .name = name}), ENOENT);
    expect_audited("not-yours", "b", "p/" + std::string(name));
    EXPECT_EQ(b->ask({.op = Op::kContainerDestroy, .name = name}), ENOENT);
    expect_audited("not-yours", "b", "p/" + std::string(name));
    EXPECT_EQ(b->ask({.op = Op::kContainerCreate, .name = name}), EACCES);
    expect_audited("missing-right", "b", "admin p/" + std::string(name));
  }
  EXPECT_EQ(b->ask({.op = Op::kContainerOpen, .name = "d"}), 0);
  // A list has what is its own.
  const auto told = session(applicant("a"))->call_and_wait({.op = Op::kContainerList});
  ASSERT_TRUE(told.has_value());
  const auto listed = wire::decode_containers(told->text);
  ASSERT_EQ(listed->size(), 2U);
  EXPECT_EQ((*listed)[0].name, "c");
  EXPECT_EQ((*listed)[1].name, "d");
  const auto a = peer("a");
  EXPECT_EQ(a->ask({.op = Op::kContainerCreate, .name = "a-1"}), 0);
  EXPECT_EQ(a->ask({.op = Op::kContainerDestroy, .name = "a-1"}), 0);
}

TEST_F(TenantsTest, AHandleOfAnothersIsNone) {
  const auto a = peer("a");
  const auto b = peer("b");
  wire::ReplyHeader reply{};
  ASSERT_EQ(a->ask({.op = Op::kContainerOpen, .name = "c"}, &reply), 0);
  const auto container = static_cast<std::uint32_t>(reply.value);
  wire::Request create{.op = Op::kCreate,
                       .container = container,
                       .node = 1,
                       .a = wire::kOpenRead,
                       .mode = 0600,
                       .uid = kSelf.uid,
                       .gid = kSelf.gid,
                       .name = "f"};
  ASSERT_EQ(a->ask(create, &reply), 0);
  const std::uint64_t file = reply.value;
  EXPECT_EQ(b->ask({.op = Op::kGetattr, .container = container, .node = 1}), EBADF);
  expect_audited("handle", "b", "container");
  EXPECT_EQ(b->ask({.op = Op::kRead, .container = container, .file = file, .b = 10}), EBADF);
  expect_audited("handle", "b", "file");
  // With a container of its own open under the same number it reaches that one.
  ASSERT_EQ(b->ask({.op = Op::kContainerOpen, .name = "d"}, &reply), 0);
  EXPECT_EQ(reply.value, container);
  EXPECT_EQ(b->ask({.op = Op::kRead, .container = container, .file = file, .b = 10}), EBADF);
  expect_audited("handle", "b", "file");
}

TEST_F(TenantsTest, ATokenThatIsOldAlteredOrAnothersJoinsNothing) {
  const auto begun = server->begin_session(applicant("a"));
  ASSERT_TRUE(begun.has_value());
  wire::Token altered = begun->token;
  altered[7] ^= 1;
  EXPECT_EQ(RawPeer(path(), hello(altered)).welcome_error(), ESTALE);
  expect_audited("session", "", "join a session");
  {
    RawPeer peer(path(), hello(begun->token));
    EXPECT_EQ(peer.welcome_error(), 0);
    EXPECT_EQ(peer.ask({.op = Op::kEnd}), 0);
  }
  EXPECT_EQ(RawPeer(path(), hello(begun->token)).welcome_error(), ESTALE);
  if (audited().size() > lines_seen) expect_audited("session", "", "join a session");  // or it is still ending

  // A user of this machine with a token of somebody else's session.
  Applicant theirs = applicant("a");
  theirs.peer.uid = 12345;
  const auto session = server->begin_session(theirs);
  ASSERT_TRUE(session.has_value());
  const bool root = ::geteuid() == 0;
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  std::filesystem::permissions(path(), std::filesystem::perms(0777));
  if (root) ASSERT_EQ(::seteuid(kNobody), 0);
  const int error = RawPeer(path(), hello(session->token)).welcome_error();
  if (root) ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(error, EACCES);
  expect_audited("replayed", "a", "join another user's session");
}

TEST_F(TenantsTest, AClientOfAnotherTenantIsNotHad) {
  Applicant a = applicant("a");
  fill_random(a.client);
  ASSERT_TRUE(server->begin_session(a).has_value());
  Applicant b = a;
  b.who = tenant("b");
  b.returning = true;
  const auto had = server->begin_session(b);
  ASSERT_FALSE(had.has_value());
  EXPECT_EQ(had.error().error(), EACCES);
  expect_audited("replayed", "b", "a client of another tenant");
  a.returning = true;
  EXPECT_TRUE(server->begin_session(a).has_value());
}

TEST_F(TenantsTest, ASocketsUserIsItsTenantOrNobody) {
  // Whoever runs this is the operator here.
  EXPECT_EQ(RawPeer(path()).welcome_error(), 0);
  tenants = *identity::Directory::open(
      {.tenants = {{.name = "me", .read = {"p/c"}, .uids = {::geteuid()}}}, .audit_path = folder / "audit"});
  start({});
  RawPeer me(path());
  EXPECT_EQ(me.welcome_error(), 0);
  EXPECT_EQ(me.ask({.op = Op::kContainerOpen, .name = "c"}), 0);
  EXPECT_EQ(me.ask({.op = Op::kContainerOpen, .name = "d"}), ENOENT);
  expect_audited("not-yours", "me", "p/d");
  if (::geteuid() != 0) return;
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
  std::filesystem::permissions(path(), std::filesystem::perms(0777));
  ASSERT_EQ(::seteuid(kNobody), 0);
  const int error = RawPeer(path()).welcome_error();
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(error, EACCES);
  expect_audited("unknown", "", "p");
}

TEST_F(TenantsTest, RevokedUnderLoadItsTrafficStopsWithinASecond) {
  const std::shared_ptr<client::Session> sessions[] = {session(applicant("a")), session(applicant("b"))};
  std::atomic<std::int64_t> last_ns = 0;
  std::atomic<std::uint64_t> done[2] = {0, 0};
  std::atomic<bool> stop = false;
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&, i] {
      const auto own = *runtime::Loop::create();
      auto files = *client::open_container(sessions[i], i == 0 ? "c" : "d");
      const auto file = own->block_on(files->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
      std::vector<std::byte> data(64 * 1024, std::byte{1});
      while (!stop) {
        if (!own->block_on(files->write(file->file, 0, memory::Memory(data))).has_value()) break;
        ++done[i];
        if (i == 0) last_ns = system_clock().monotonic_ns();
      }
    });
  }
  const auto wait_for = [&](int who, std::uint64_t more) {
    const std::uint64_t wanted = done[who] + more;
    for (const std::int64_t until = in_20_s(); done[who] < wanted && system_clock().monotonic_ns() < until;) {
      std::this_thread::sleep_for(1ms);
    }
    EXPECT_GE(done[who], wanted);
  };
  wait_for(0, 50);
  const std::int64_t revoked_ns = system_clock().monotonic_ns();
  ASSERT_TRUE(tenants->revoke("a").ok());
  EXPECT_EQ(server->end_sessions([&](const identity::Principal& who) { return tenants->revoked(who); }), 1U);
  threads[0].join();
  EXPECT_LT(last_ns - revoked_ns, 1'000'000'000);
  wait_for(1, 50);  // the other goes on
  stop = true;
  threads[1].join();
  EXPECT_EQ(server->begin_session(applicant("a")).error().error(), EACCES);
  EXPECT_EQ(server->sessions_of("a"), 0U);
  EXPECT_EQ(server->sessions_of("b"), 1U);
}

// Not faster than the limit by more than 5 %, whoever of the tenant asks; how much slower is the machine's affair.
TEST_F(TenantsTest, KeepsToItsLimits) {
  constexpr std::uint64_t kPerSecond = 32 << 20;
  tenants = *identity::Directory::open(
      {.tenants = {{.name = "a", .write = {"p/c"}, .limits = {.bytes_per_second = kPerSecond, .bytes_burst = 1 << 20}},
                   {.name = "b", .write = {"p/d"}}},
       .audit_path = folder / "audit"});
  start({});
  const auto load = [this](std::string_view who, const char* container, std::uint64_t bytes) {
    const auto own = *runtime::Loop::create();
    auto files = *client::open_container(session(applicant(who)), container);
    const auto file = own->block_on(files->create(kSelf, fs::kRootNode, std::string(who) + std::to_string(bytes), 0600,
                                                  {.read = true, .write = true}));
    std::vector<std::byte> data(256 * 1024, std::byte{1});
    for (std::uint64_t done = 0; done < bytes; done += data.size()) {
      EXPECT_EQ(own->block_on(files->write(file->file, 0, memory::Memory(data))).value(), data.size());
    }
  };
  const std::int64_t begin_ns = system_clock().monotonic_ns();
  std::thread one([&] { load("a", "c", 16 << 20); });
  std::thread two([&] { load("a", "c", 17 << 20); });
  one.join();
  two.join();
  const double seconds = static_cast<double>(system_clock().monotonic_ns() - begin_ns) / 1e9;
  EXPECT_GE(seconds, 0.95);
  EXPECT_LE(seconds, 20);
  load("b", "d", 64 << 20);  // without a limit
  // Who leaves while requests wait leaves nothing behind.
  const auto peer = this->peer("a");
  wire::ReplyHeader reply{};
  ASSERT_EQ(peer->ask({.op = Op::kContainerOpen, .name = "c"}, &reply), 0);
  const auto container = static_cast<std::uint32_t>(reply.value);
  const wire::Request create{.op = Op::kCreate,
                             .container = container,
                             .node = 1,
                             .a = wire::kOpenRead | wire::kOpenWrite,
                             .mode = 0600,
                             .uid = kSelf.uid,
                             .gid = kSelf.gid,
                             .name = "f"};
  ASSERT_EQ(peer->ask(create, &reply), 0);
  for (int i = 0; i < 16; ++i) {
    peer->send(RawPeer::encoded({.op = Op::kRead, .container = container, .file = reply.value, .b = 4 << 20}));
  }
  ASSERT_TRUE(tenants->revoke("a").ok());
  EXPECT_GE(server->end_sessions([&](const identity::Principal& who) { return tenants->revoked(who); }), 1U);
  while (peer->next().has_value()) {
  }
}

TEST_F(TenantsTest, ASessionWhoseTimeIsOverIsHadAgainByItsCredential) {
  start(1'500ms);
  Applicant a = applicant("a");
  fill_random(a.client);
  const auto begun = server->begin_session(a);
  ASSERT_TRUE(begun.has_value());
  wire::ReplyHeader reply{};
  RawPeer first(path(), hello(begun->token));
  ASSERT_EQ(first.ask({.op = Op::kContainerOpen, .name = "c"}, &reply), 0);
  const auto container = static_cast<std::uint32_t>(reply.value);
  EXPECT_FALSE(first.next().has_value());  // cut off, in time
  EXPECT_EQ(RawPeer(path(), hello(begun->token)).welcome_error(), ESTALE);
  expect_audited("expired", "a", "join a session");
  a.returning = true;
  a.who.most = identity::Access::kRead;  // its new token says so
  const auto again = server->begin_session(a);
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_TRUE(again->resumed);
  RawPeer second(path(), hello(again->token));
  ASSERT_EQ(second.welcome_error(), 0);
  EXPECT_EQ(second.ask({.op = Op::kGetattr, .container = container, .node = 1}), 0);
  EXPECT_EQ(second.ask({.op = Op::kMkdir,
                        .container = container,
                        .node = 1,
                        .mode = 0700,
                        .uid = kSelf.uid,
                        .gid = kSelf.gid,
                        .name = "x"}),
            EROFS);
  expect_audited("missing-right", "a", "write p/c");
}

TEST_F(TenantsTest, RenewsAndClosesItsOwnSessionsOnly) {
  start(1'500ms);
  const auto begun = server->begin_session(applicant("a"));
  ASSERT_TRUE(begun.has_value());
  RawPeer peer(path(), hello(begun->token));
  const std::int64_t until = system_clock().monotonic_ns() + 2'500'000'000;
  while (system_clock().monotonic_ns() < until) {
    ASSERT_TRUE(server->renew_session(begun->token, applicant("a")).ok());
    ASSERT_EQ(peer.ask({.op = Op::kPing}), 0);
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_EQ(server->close_session(begun->token, applicant("b")).error(), EACCES);
  expect_audited("replayed", "b", "a client of another tenant");
  EXPECT_TRUE(server->close_session(begun->token, applicant("a")).ok());
  EXPECT_FALSE(peer.next().has_value());
  EXPECT_EQ(server->renew_session(begun->token, applicant("a")).error(), ESTALE);
}

}  // namespace
}  // namespace ross::server
