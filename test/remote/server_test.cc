// Goal: a server survives whatever a peer does and gives back what a peer held; a client never hangs on a server that
// goes; both keep to what they granted each other.
// Method: a server over model file systems; peers that are sessions, and peers that write raw bytes.
#include "server/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/random.h"
#include "client/remote_file_system.h"
#include "fabric/local/socket.h"
#include "model_pool.h"
#include "raw_peer.h"
#include "runtime/loop.h"
#include "self.h"

namespace ross::server {
namespace {

using namespace std::chrono_literals;
using remote_test::RawPeer;

using remote_test::in_20_s;
using remote_test::kSelf;

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char made[] = "/tmp/ross-server-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    directory = made;
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    start({});
  }
  void TearDown() override {
    server.reset();
    std::filesystem::remove_all(directory);
  }
  void start(ServerOptions options) {
    server.reset();
    std::vector<Listener> listeners(1);
    listeners[0].domain = *fabric::local::make_domain({});
    listeners[0].address = path();
    server = *Server::start(pool, std::move(listeners), std::move(options));
  }
  [[nodiscard]] std::filesystem::path path() const { return directory / "sock"; }
  std::unique_ptr<fs::FileSystem> attach() {
    auto session = client::Session::connect(path(), in_20_s());
    EXPECT_TRUE(session.has_value()) << session.error().message();
    return *client::open_container(*std::move(session), "c");
  }
  template <class T>
  T run(runtime::Task<T> task) {
    return loop->block_on(std::move(task));
  }
  // Waits until cond() or 20 s.
  template <class Condition>
  bool comes_true(Condition&& condition) {
    for (const std::int64_t until = in_20_s(); system_clock().monotonic_ns() < until;) {
      if (condition()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }
  std::filesystem::path directory;
  remote_test::ModelPool pool;
  std::unique_ptr<Server> server;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
};

TEST_F(ServerTest, NoUserShutsOthersOut) {
  const fabric::Peer user{.pid = 1, .uid = 12345, .gid = 12345, .groups = {}};
  for (std::size_t i = 0; i < Server::kSessionsOfAUserMax; ++i)
    ASSERT_TRUE(server->begin_session({.peer = user}).has_value()) << i;
  EXPECT_EQ(server->begin_session({.peer = user}).error().error(), EUSERS);
  EXPECT_TRUE(server->begin_session({.peer = {.pid = 1, .uid = 12346, .gid = 1, .groups = {}}}).has_value());
  EXPECT_TRUE(server->begin_session({.peer = {.pid = 1, .uid = 0, .gid = 0, .groups = {}}}).has_value());
}

TEST_F(ServerTest, SeveralThreadsOfOneClientAndLargeTransfers) {
  auto remote = attach();
  const auto opened = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  ASSERT_TRUE(opened.has_value());
  constexpr std::size_t kBytes = 9'000'001;  // three messages
  std::array<std::thread, 4> threads;
  for (std::size_t t = 0; t < threads.size(); ++t) {
    threads[t] = std::thread([&, t] {
      auto own = *runtime::Loop::create();
      std::vector<std::byte> data(kBytes, static_cast<std::byte>('a' + t));
      for (std::uint64_t round = 0; round < 3; ++round) {
        EXPECT_EQ(own->block_on(remote->write(opened->file, t * kBytes, memory::Memory(data))).value(), kBytes);
        std::vector<std::byte> back(kBytes);
        // In odd pieces, so that payloads land across spans.
        const std::array spans = {memory::Span{back.data(), 3}, memory::Span{back.data() + 3, 4'999'999},
                                  memory::Span{back.data() + 5'000'002, kBytes - 5'000'002}};
        const memory::Memory into{std::span<const memory::Span>(spans)};
        EXPECT_EQ(own->block_on(remote->read(opened->file, t * kBytes, into)).value(), kBytes);
        EXPECT_EQ(std::memcmp(back.data(), data.data(), kBytes), 0);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(run(remote->getattr(opened->attr.node))->size_bytes, threads.size() * kBytes);
}

TEST_F(ServerTest, MoreCallsThanTheGrantWaitInTheClient) {
  auto remote = attach();
  const auto opened = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  pool.at("c").gate.close_gate();
  std::vector<std::byte> data(64 * 1024, std::byte{1});
  int done = 0;
  constexpr int kCalls = 2 * wire::kInflightMax + 100;
  for (int i = 0; i < kCalls; ++i) {
    loop->start(remote->write(opened->file, static_cast<std::uint64_t>(i) * data.size(), memory::Memory(data)),
                [&done](const Result<std::uint64_t>& result) { done += result.has_value() ? 1 : 0; });
  }
  pool.at("c").gate.open_gate();
  for (const std::int64_t until = in_20_s(); done < kCalls && system_clock().monotonic_ns() < until;) loop->wait(until);
  EXPECT_EQ(done, kCalls);
}

TEST_F(ServerTest, AVanishedPeersLocksAndFilesAreReleased) {
  auto one = attach();
  auto two = attach();
  const auto file_one = run(one->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  const auto file_two = run(two->open(kSelf, file_one->attr.node, {.read = true, .write = true}));
  const fs::LockRange lock{.owner = 1, .kind = fs::LockKind::kExclusive};
  ASSERT_TRUE(run(one->lock(file_one->file, lock, false)).ok());
  // The same number is another owner in another process.
  EXPECT_EQ(run(two->lock(file_two->file, lock, false)).error(), EAGAIN);
  EXPECT_EQ(run(two->test_lock(file_two->file, lock))->kind, fs::LockKind::kExclusive);
  EXPECT_EQ(run(one->test_lock(file_one->file, lock))->kind, fs::LockKind::kUnlock);
  ASSERT_TRUE(run(one->unlink(kSelf, fs::kRootNode, "f")).ok());

  // A third waits for the lock and dies; the second waits and gets it when the first goes.
  auto three = attach();
  const auto file_three = run(three->open(kSelf, file_one->attr.node, {.read = true, .write = true}));
  Status waited(EINPROGRESS);
  runtime::Loop& own = *loop;
  own.start(two->lock(file_two->file, lock, true), [&waited](Status status) { waited = std::move(status); });
  {
    // A raw peer that waits for the lock when its connection ends.
    RawPeer raw(path());
    wire::ReplyHeader header{};
    ASSERT_EQ(raw.ask({.op = wire::Op::kContainerOpen, .name = "c"}, &header), 0);
    const auto container = static_cast<std::uint32_t>(header.value);
    ASSERT_EQ(
        raw.ask({.op = wire::Op::kOpen, .container = container, .node = file_one->attr.node.value, .mode = 3}, &header),
        0);
    const wire::Lock wanted{.owner = 9, .begin = 0, .end = UINT64_MAX, .kind = 2};
    raw.send(RawPeer::encoded({.op = wire::Op::kLock,
                               .container = container,
                               .file = header.value,
                               .mode = 1,
                               .text = wire::as_text(wanted)}));
    // The server has read it when it answers what comes behind.
    ASSERT_EQ(raw.ask({.op = wire::Op::kGetattr, .container = container, .node = 1}), 0);
  }
  EXPECT_TRUE(comes_true([&] { return server->peers().size() == 3; }));
  EXPECT_EQ(waited.error(), EINPROGRESS);
  one.reset();
  for (const std::int64_t until = in_20_s(); waited.error() == EINPROGRESS && system_clock().monotonic_ns() < until;) {
    own.wait(until);
  }
  EXPECT_TRUE(waited.ok());
  two.reset();
  three.reset();
  EXPECT_TRUE(comes_true([&] { return server->peers().empty(); }));
  // The last open of an unlinked file is gone, and with it the file.
  EXPECT_FALSE(run(pool.at("c").model.getattr(file_one->attr.node)).has_value());
}

TEST_F(ServerTest, AVanishedPeersLastWriteIsDoneBeforeItsLocksAreReleased) {
  auto heir = attach();
  const auto file = run(heir->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  constexpr std::size_t kBytes = 1000;
  Status waited(EINPROGRESS);
  {
    RawPeer raw(path());
    wire::ReplyHeader header{};
    ASSERT_EQ(raw.ask({.op = wire::Op::kContainerOpen, .name = "c"}, &header), 0);
    const auto container = static_cast<std::uint32_t>(header.value);
    ASSERT_EQ(
        raw.ask({.op = wire::Op::kOpen, .container = container, .node = file->attr.node.value, .mode = 3}, &header), 0);
    const wire::Lock wanted{.owner = 9, .begin = 0, .end = UINT64_MAX, .kind = 2};
    const std::uint64_t number = header.value;
    wire::Request lock{.op = wire::Op::kLock, .container = container, .file = number, .text = wire::as_text(wanted)};
    ASSERT_EQ(raw.ask(lock), 0);
    const fs::LockRange all{.owner = 1, .kind = fs::LockKind::kExclusive};
    loop->start(heir->lock(file->file, all, true), [&waited](Status status) { waited = std::move(status); });
    pool.at("c").gate.close_gate();
    raw.send(RawPeer::encoded({.op = wire::Op::kWrite, .container = container, .file = number}), kBytes);
    ASSERT_EQ(raw.ask({.op = wire::Op::kGetattr, .container = container, .node = 1}), 0);
  }
  for (const std::int64_t until = system_clock().monotonic_ns() + 200'000'000; system_clock().monotonic_ns() < until;) {
    loop->wait(until);
  }
  EXPECT_EQ(waited.error(), EINPROGRESS);
  pool.at("c").gate.open_gate();
  for (const std::int64_t until = in_20_s(); waited.error() == EINPROGRESS && system_clock().monotonic_ns() < until;) {
    loop->wait(until);
  }
  EXPECT_TRUE(waited.ok());
  EXPECT_EQ(run(heir->getattr(file->attr.node))->size_bytes, kBytes);
}

TEST_F(ServerTest, OnlyRootActsForOthers) {
  auto remote = attach();
  const fs::Credential other{.uid = 4711, .gid = 4711};
  const auto made = run(remote->create(other, fs::kRootNode, "x", 0600, {.write = true}));
  if (::geteuid() == 0) {
    EXPECT_EQ(made.error().error(), EACCES);  // the file system's own word: not writable for 4711
  } else {
    EXPECT_EQ(made.error().error(), EPERM);
  }
}

TEST_F(ServerTest, NonsenseIsAnErrorOrTheEndOfThatConnectionOnly) {
  auto witness = attach();
  RawPeer raw(path());
  EXPECT_EQ(raw.ask({.op = wire::Op::kGetattr, .container = 5, .node = 1}), EBADF);
  EXPECT_EQ(raw.ask({.op = wire::Op::kRead, .container = 5, .file = 77, .b = 10}), EBADF);
  EXPECT_EQ(raw.ask({.op = wire::Op::kContainerOpen, .name = "none"}), ENOENT);
  wire::ReplyHeader header{};
  ASSERT_EQ(raw.ask({.op = wire::Op::kContainerOpen, .name = "c"}, &header), 0);
  const auto container = static_cast<std::uint32_t>(header.value);
  EXPECT_NE(raw.ask({.op = wire::Op::kGetattr, .container = container, .node = 0xdeadbeef}), 0);
  EXPECT_EQ(raw.ask({.op = wire::Op::kRename, .container = container, .node = 1, .mode = 99, .name = "a"}), EINVAL);
  EXPECT_EQ(raw.ask({.op = wire::Op::kSetattr, .container = container, .node = 1, .text = "short"}), EBADMSG);
  EXPECT_EQ(raw.ask({.op = wire::Op::kOpen, .container = container, .node = 1, .mode = 0xffff}), EBADMSG);
  EXPECT_NE(raw.ask({.op = wire::Op::kMkdir, .container = container, .node = 1, .mode = 0755, .name = "a/b"}), 0);
  EXPECT_EQ(raw.ask({.op = wire::Op::kRead, .container = container, .b = wire::kPayloadBytesMax + 1ULL}), -1);

  for (const std::uint32_t payload : {1U, wire::kPayloadBytesMax + 1}) {  // with a call that has none; too large
    RawPeer bad(path());
    bad.send(RawPeer::encoded({.op = wire::Op::kGetattr, .node = 1}), payload);
    EXPECT_EQ(bad.reply_error(), -1);
  }
  Random random(99);
  for (int round = 0; round < 200; ++round) {
    RawPeer bad(path());
    std::vector<std::byte> bytes = RawPeer::encoded({.op = static_cast<wire::Op>(1 + random.below(40)),
                                                     .container = 1,
                                                     .node = 1,
                                                     .file = random.below(3),
                                                     .b = random.below(10000),
                                                     .mode = static_cast<std::uint32_t>(random.below(5)),
                                                     .name = "n",
                                                     .text = "t"});
    for (std::uint64_t damage = random.below(10); damage > 0; --damage) {
      bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
    }
    bytes.resize(random.below(bytes.size() + 1));
    bad.send(bytes, random.below(3) == 0 ? random.below(5000) : 0);
  }
  EXPECT_TRUE(comes_true([&] { return server->peers().size() <= 1; }));
  EXPECT_TRUE(run(witness->getattr(fs::kRootNode)).has_value());
}

TEST_F(ServerTest, WindowsThatAreNoneHarmWhoNamedThemOnly) {
  auto witness = attach();
  const auto made = run(witness->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  std::vector<std::byte> data(10'000, std::byte{7});
  ASSERT_TRUE(run(witness->write(made->file, 0, memory::Memory(data))).has_value());

  struct Opened {
    RawPeer peer;
    wire::Request request;
    explicit Opened(const std::filesystem::path& path, std::uint64_t node) : peer(path) {
      wire::ReplyHeader header{};
      EXPECT_EQ(peer.ask({.op = wire::Op::kContainerOpen, .name = "c"}, &header), 0);
      request.container = static_cast<std::uint32_t>(header.value);
      EXPECT_EQ(peer.ask({.op = wire::Op::kOpen, .container = request.container, .node = node, .mode = 3}, &header), 0);
      request.file = header.value;
    }
    // The reply's error to a transfer through the windows, or -1 when the server hung up.
    int ask(wire::Op op, std::vector<wire::WindowPart> windows) {
      request.op = op;
      request.b = 0;
      for (const wire::WindowPart& window : windows) request.b += window.size_bytes;
      request.windows = std::move(windows);
      return peer.ask(request);
    }
  };
  using enum fabric::Access;
  const std::uint64_t node = made->attr.node.value;
  std::vector<std::byte> memory(1000);
  const std::string junk(20, 'k');
  const std::string longest(wire::kWindowKeyBytesMax, 'k');
  for (const std::string& key : {junk, std::string("k"), longest}) {
    EXPECT_EQ(Opened(path(), node).ask(wire::Op::kRead, {{0, 100, key}}), -1);
    EXPECT_EQ(Opened(path(), node).ask(wire::Op::kWrite, {{0, 100, key}}), -1);
  }
  const auto with_window = [&](wire::Op op, fabric::Access access, std::uint64_t offset, std::uint64_t size) {
    Opened opened(path(), node);
    const fabric::Window window = opened.peer.expose(memory, access);
    const int error = opened.ask(op, {{offset, size, window.key}});
    opened.peer.revoke(window);
    return error;
  };
  EXPECT_EQ(with_window(wire::Op::kRead, kWrite, 0, 1000), 0);
  EXPECT_EQ(memory, std::vector(1000, std::byte{7}));
  EXPECT_EQ(with_window(wire::Op::kWrite, kRead, 0, 1000), 0);
  EXPECT_EQ(with_window(wire::Op::kRead, kWrite, 990, 10), 0);
  EXPECT_EQ(with_window(wire::Op::kRead, kWrite, 990, 11), -1);            // beyond its end
  EXPECT_EQ(with_window(wire::Op::kRead, kWrite, UINT64_MAX - 5, 5), -1);  // far beyond
  EXPECT_EQ(with_window(wire::Op::kWrite, kRead, 1, 1000), -1);
  EXPECT_EQ(with_window(wire::Op::kRead, kRead, 0, 1000), -1);  // the wrong way
  EXPECT_EQ(with_window(wire::Op::kWrite, kWrite, 0, 1000), -1);
  {
    // Windows of another peer, which are for its channel.
    Opened owner(path(), node);
    const fabric::Window window = owner.peer.expose(memory, kWrite);
    EXPECT_EQ(Opened(path(), node).ask(wire::Op::kRead, {{0, 100, window.key}}), -1);
    EXPECT_EQ(owner.ask(wire::Op::kRead, {{0, 100, window.key}}), 0);
    // And one that was revoked.
    owner.peer.revoke(window);
    EXPECT_EQ(owner.ask(wire::Op::kRead, {{0, 100, window.key}}), -1);
  }
  {
    Opened opened(path(), node);
    auto head = RawPeer::encoded({.op = wire::Op::kGetattr, .container = opened.request.container, .node = 1});
    wire::add_window({0, 10, junk}, head);
    opened.peer.send(head);
    EXPECT_EQ(opened.peer.reply_error(), -1);  // with a call that has none
  }
  {
    Opened opened(path(), node);
    auto head = RawPeer::encoded({.op = wire::Op::kWrite, .container = opened.request.container});
    wire::add_window({0, 10, junk}, head);
    opened.peer.send(head, 10);
    EXPECT_EQ(opened.peer.reply_error(), -1);  // a payload as well
  }
  EXPECT_TRUE(comes_true([&] { return server->peers().size() == 1; }));
  std::vector<std::byte> back(10'000);
  EXPECT_EQ(run(witness->read(made->file, 0, memory::Memory(back))).value(), 10'000U);
}

TEST_F(ServerTest, APeerThatTakesMoreThanItsGrantIsCutOff) {
  auto witness = attach();
  const auto opened = run(witness->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  pool.at("c").gate.close_gate();
  RawPeer raw(path());
  wire::ReplyHeader header{};
  ASSERT_EQ(raw.ask({.op = wire::Op::kContainerOpen, .name = "c"}, &header), 0);
  const auto container = static_cast<std::uint32_t>(header.value);
  ASSERT_EQ(
      raw.ask({.op = wire::Op::kOpen, .container = container, .node = opened->attr.node.value, .mode = 1}, &header), 0);
  const auto one = RawPeer::encoded({.op = wire::Op::kRead, .container = container, .file = header.value, .b = 10});
  for (std::uint32_t i = 0; i < 3 * wire::kInflightMax; ++i) raw.send(one);
  // Cut off, though its requests are still held back behind the gate, and gone for good when they end.
  EXPECT_EQ(raw.reply_error(), -1);
  pool.at("c").gate.open_gate();
  EXPECT_TRUE(comes_true([&] { return server->peers().size() == 1; }));
  EXPECT_TRUE(run(witness->getattr(fs::kRootNode)).has_value());
}

TEST_F(ServerTest, ForeignGreetingsAreSentAway) {
  const auto refused = [this](std::span<const std::byte> first) {
    RawPeer peer(path(), false);
    peer.send(first);
    const auto answer = peer.next();
    if (!answer.has_value()) return -1;
    EXPECT_FALSE(peer.next().has_value());  // then it hangs up
    wire::Welcome welcome;
    EXPECT_GE(answer->size(), sizeof welcome);
    std::memcpy(&welcome, answer->data(), sizeof welcome);
    return welcome.error;
  };
  const auto greeting = [](const wire::Hello& hello) {
    std::vector<std::byte> bytes;
    wire::encode(hello, bytes);
    return bytes;
  };
  EXPECT_EQ(refused(greeting({.version = wire::kVersion + 1})), EPROTO);
  EXPECT_EQ(refused(greeting({.magic = 7})), EBADMSG);
  EXPECT_EQ(refused(greeting({.session = {1, 2, 3}})), ESTALE);
  EXPECT_EQ(refused(RawPeer::encoded({.op = wire::Op::kPoolInfo})), EBADMSG);  // a request before the greeting
  const auto other = fabric::connect_to(path());
  const char text[] = "GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n";
  static_cast<void>(fabric::send_all(other->fd(), text, sizeof text, in_20_s()));
  // The server says what it is and hangs up.
  char byte = 0;
  int heard = 0;
  while (heard < 1000 && fabric::receive_all(other->fd(), &byte, 1, in_20_s()).ok()) ++heard;
  EXPECT_LT(heard, 1000);
}

TEST_F(ServerTest, FilesBelongToTheirSession) {
  auto remote = attach();
  const auto opened = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  ASSERT_TRUE(opened.has_value());
  RawPeer raw(path());
  wire::ReplyHeader header{};
  ASSERT_EQ(raw.ask({.op = wire::Op::kContainerOpen, .name = "c"}, &header), 0);
  // Files are the session's: the number of another's means nothing here.
  EXPECT_EQ(
      raw.ask(
          {.op = wire::Op::kFsync, .container = static_cast<std::uint32_t>(header.value), .file = opened->file.value}),
      EBADF);
}

TEST_F(ServerTest, ASessionEndsForAllItsThreadsAtOnce) {
  auto remote = attach();
  auto other = *runtime::Loop::create();
  EXPECT_TRUE(run(remote->getattr(fs::kRootNode)).has_value());
  EXPECT_TRUE(other->block_on(remote->getattr(fs::kRootNode)).has_value());
  EXPECT_EQ(server->peers().size(), 1U);  // one session, three connections
  remote.reset();
  // Nobody drives the two loops any more, and yet the server is rid of them.
  EXPECT_TRUE(comes_true([&] { return server->peers().empty(); }));
  server->finish();
}

TEST_F(ServerTest, EveryWaitEndsWhenTheServerGoes) {
  auto remote = attach();
  const auto opened = run(remote->create(kSelf, fs::kRootNode, "f", 0600, {.read = true, .write = true}));
  pool.at("c").gate.close_gate();
  std::array<std::byte, 10> data{};
  std::vector<int> errors;
  for (int i = 0; i < 300; ++i) {  // some sent, some waiting for room
    loop->start(remote->read(opened->file, 0, memory::Memory(data)), [&errors](const Result<std::uint64_t>& result) {
      errors.push_back(result.has_value() ? 0 : result.error().error());
    });
  }
  std::thread killer([&] { server.reset(); });
  for (const std::int64_t until = in_20_s(); errors.size() < 300 && system_clock().monotonic_ns() < until;) {
    loop->wait(until);
  }
  pool.at("c").gate.open_gate();  // the server itself ends when the requests at work have
  killer.join();
  EXPECT_EQ(errors.size(), 300U);
  for (const int error : errors) EXPECT_EQ(error, ESHUTDOWN);
  const auto after = run(remote->getattr(fs::kRootNode));
  EXPECT_EQ(after.error().error(), ESHUTDOWN);
  EXPECT_EQ(after.error().retry(), Retry::kSession);
  EXPECT_NE(after.error().message().find("attach again"), std::string::npos);
}

TEST_F(ServerTest, FinishWaitsForPeersAndCutsOffWhoStays) {
  auto remote = attach();
  std::thread leaver([&] {
    std::this_thread::sleep_for(100ms);
    remote.reset();
  });
  const auto begin = std::chrono::steady_clock::now();
  server->finish();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 90ms);
  leaver.join();

  start({.tell_after = 10ms, .patience = 100ms});
  auto stays = attach();
  ::testing::internal::CaptureStderr();
  server->finish();
  const std::string told = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("waiting for processes " + std::to_string(::getpid())), std::string::npos) << told;
  EXPECT_NE(told.find("cutting them off"), std::string::npos) << told;
  EXPECT_EQ(run(stays->getattr(fs::kRootNode)).error().error(), ESHUTDOWN);
}

}  // namespace
}  // namespace ross::server
