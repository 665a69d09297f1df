// Goal: data that goes past an agent goes past it whole, and nowhere else: what fails on that way is done the other way, once; and who
// has no business on a channel for transfers does nothing with it.
// Method: an engine over a pool on memory, an agent that reaches it straight, hosts that reach it through a proxy which is cut, stopped or
// not there. Raw peers at the engine's socket for tokens, keys and words out of place.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "agent_server.h"
#include "base/random.h"
#include "base/random_bytes.h"
#include "engine/pool_fixture.h"
#include "errands.h"
#include "fabric/local/unix_domain.h"
#include "fabric/tcp/tcp.h"
#include "raw_changes.h"
#include "reaching.h"
#include "returning_client.h"
#include "self.h"
#include "tcp_proxy.h"

namespace ross::server {
namespace {

using namespace std::chrono_literals;
using client::Placed;
using remote_test::in_20_s;
using remote_test::RawPeer;
using remote_test::TcpProxy;
using wire::Op;

using remote_test::kSelf;
constexpr std::size_t kMiBytes = 1 << 20;

Result<std::unique_ptr<fabric::Domain>> tcp() { return fabric::tcp::make_domain({}); }

std::vector<std::byte> random_bytes(std::uint64_t seed, std::size_t size) {
  Random random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

class DirectTest : public remote_test::ReturningClientTest {
 protected:
  void SetUp() override {
    constexpr std::uint64_t kPoolBytes = 256ULL << 20;
    const engine::DeviceSpec device{.kind = engine::DeviceKind::kRam, .size_bytes = kPoolBytes};
    ASSERT_TRUE(engine::Pool::create(place, {.devices = {device}}).ok());
    engine::PoolOptions options;
    options.serves_clients = true;
    pool = *engine::Pool::open(place, options);
    ASSERT_TRUE(pool->create_container("c", {}).ok());
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *tcp(), .address = "127.0.0.1:0"};
    engine = *Server::start(*pool, std::move(listeners), {.patience = 0ms, .remembers = true, .lease = 20s});
    engine_place.set(engine.get());
    proxy = TcpProxy::to(engine->addresses().at(0));
    way = proxy->address();
    start_agent({});
  }
  void TearDown() override {
    stop_agent();
    engine_place.set(nullptr);
    engine.reset();
    EXPECT_TRUE(pool->close().ok());
  }
  void start_agent(ServerOptions options) {
    const std::lock_guard lock(mutex);
    agent.reset();
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *tcp(), .address = "127.0.0.1:0"};
    options.patience = 0ms;
    options.lease = 20s;
    options.upstream = remote_test::upstream_to(engine_place, tcp);
    agent = *Server::start(nothing, std::move(listeners), std::move(options));
  }
  void stop_agent() {
    const std::lock_guard lock(mutex);
    agent.reset();
  }
  void prepare(client::Session& made) override {
    session = &made;
    made.reach(remote_test::reaching_by(tcp, 32 * 1024, [this](std::string) {
      const std::lock_guard lock(way_mutex);
      return way;
    }));
  }
  std::unique_ptr<fs::FileSystem> attach() {
    return attach_to([this] { return agent.get(); });
  }
  void go_by(std::string address) {
    const std::lock_guard lock(way_mutex);
    way = std::move(address);
  }
  // An address that nobody listens at.
  static std::string nowhere() {
    auto listening = TcpProxy::to("127.0.0.1:1");
    return listening->address();
  }
  void write_all(fs::FileSystem& remote, fs::FileId file, std::vector<std::byte>& bytes) {
    const auto wrote = run(remote.write(file, 0, memory::Memory(bytes)));
    ASSERT_TRUE(wrote.has_value()) << wrote.error().message();
    ASSERT_EQ(*wrote, bytes.size());
  }
  [[nodiscard]] std::vector<std::byte> read_all(fs::FileSystem& remote, fs::FileId file, std::size_t size) {
    std::vector<std::byte> bytes(size);
    const auto got = run(remote.read(file, 0, memory::Memory(bytes)));
    EXPECT_TRUE(got.has_value()) << got.error().message();
    bytes.resize(got.value_or(0));
    return bytes;
  }
  // Writes and reads until data has gone past the agent; false: it does not.
  bool goes_directly(fs::FileSystem& remote, fs::FileId file) {
    std::vector<std::byte> bytes = random_bytes(9, 100'000);
    for (const std::int64_t until = in_20_s(); system_clock().monotonic_ns() < until;) {
      const std::uint64_t before = session->moved().directly;
      write_all(remote, file, bytes);
      if (session->moved().directly > before) return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }

  engine::TestDirectory directory;
  const std::filesystem::path place = directory / "pool";
  std::unique_ptr<engine::Pool> pool;
  std::unique_ptr<Server> engine;
  remote_test::EnginePlace engine_place;
  remote_test::ModelPool nothing;
  std::unique_ptr<TcpProxy> proxy;  // between hosts and the engine
  std::mutex way_mutex;
  std::string way;                // guarded by way_mutex
  std::unique_ptr<Server> agent;  // guarded by the mutex
  client::Session* session = nullptr;
};

TEST_F(DirectTest, TheAgentCarriesHeadersOnly) {
  auto remote = attach();
  const fs::Opened file = create(*remote, "f");
  std::vector<std::byte> data = random_bytes(1, 24 * kMiBytes + 12'345);
  write_all(*remote, file.file, data);
  EXPECT_TRUE(read_all(*remote, file.file, data.size()) == data);
  const std::uint64_t payload = 2 * data.size();
  EXPECT_EQ(session->moved().directly + session->moved().by_server, payload);
  EXPECT_LT(agent->moved().here, payload / 100);
  EXPECT_GT(agent->moved().past, payload * 99 / 100);
  EXPECT_EQ(engine->moved().direct, agent->moved().past);
  EXPECT_GT(proxy->bytes(), payload * 99 / 100);
  EXPECT_EQ(session->place_data_and_wait().where, Placed::Where::kDirect);
}

TEST_F(DirectTest, ShortReadsHolesErrorsAndMemoryInPieces) {
  auto remote = attach();
  const fs::Opened file = create(*remote, "f");
  std::vector<std::byte> data = random_bytes(2, 300'000);
  write_all(*remote, file.file, data);
  EXPECT_TRUE(read_all(*remote, file.file, 2'000'000) == data);
  std::vector<std::byte> tail(100'000);
  EXPECT_EQ(run(remote->read(file.file, 290'000, memory::Memory(tail))).value_or(0), 10'000U);
  EXPECT_EQ(run(remote->read(file.file, 400'000, memory::Memory(tail))).value_or(1), 0U);
  ASSERT_EQ(run(remote->write(file.file, 5'000'000, memory::Memory(tail))).value_or(0), tail.size());
  std::vector<std::byte> hole(100'000, std::byte{1});
  ASSERT_EQ(run(remote->read(file.file, 1'000'000, memory::Memory(hole))).value_or(0), hole.size());
  EXPECT_TRUE(std::ranges::all_of(hole, [](std::byte byte) { return byte == std::byte{0}; }));
  std::vector<std::byte> parts(200'000);
  std::vector<memory::Span> spans;
  for (std::size_t i = 0; i < wire::kWindowsMax; ++i) spans.push_back({parts.data() + i * 25'000, 25'000});
  ASSERT_EQ(run(remote->read(file.file, 1, memory::Memory(std::span<const memory::Span>(spans)))).value_or(0),
            200'000U);
  EXPECT_TRUE(std::equal(parts.begin(), parts.end(), data.begin() + 1));
  const auto read_only = run(remote->open(kSelf, file.attr.node, {.read = true}));
  EXPECT_EQ(run(remote->write(read_only->file, 0, memory::Memory(data))).error().error(), EBADF);
  EXPECT_EQ(run(remote->read(fs::FileId(12345), 0, memory::Memory(data))).error().error(), EBADF);
  EXPECT_GT(session->moved().directly, 1'000'000U);
  EXPECT_EQ(session->place_data_and_wait().where, Placed::Where::kDirect);  // an error is no failure of the way
}

TEST_F(DirectTest, AHostThatDoesNotReachTheEngineIsServedAndTriesAgain) {
  go_by(nowhere());
  auto remote = attach();
  const fs::Opened file = create(*remote, "f");
  std::vector<std::byte> data = random_bytes(3, 3 * kMiBytes);
  write_all(*remote, file.file, data);
  EXPECT_TRUE(read_all(*remote, file.file, data.size()) == data);
  EXPECT_EQ(session->moved().directly, 0U);
  const Placed placed = session->place_data_and_wait();
  EXPECT_EQ(placed.where, Placed::Where::kStaged);
  EXPECT_NE(placed.how.find("cannot be reached"), std::string::npos) << placed.how;
  go_by(proxy->address());
  EXPECT_TRUE(goes_directly(*remote, file.file));
}

TEST_F(DirectTest, AnAgentThatStagesSaysSo) {
  start_agent({.placement = Placement::kStaged});
  auto remote = attach();
  const fs::Opened file = create(*remote, "f");
  std::vector<std::byte> data = random_bytes(4, kMiBytes);
  write_all(*remote, file.file, data);
  EXPECT_TRUE(read_all(*remote, file.file, data.size()) == data);
  EXPECT_EQ(session->moved().directly, 0U);
  EXPECT_EQ(agent->moved().here, 2 * data.size());
}

TEST_F(DirectTest, AContainerThatIsStagedIsAndOthersAreNot) {
  ServerOptions options;
  options.staged_containers = {"c"};
  start_agent(std::move(options));
  ASSERT_TRUE(pool->create_container("d", {}).ok());
  auto remote = attach();
  const fs::Opened file = create(*remote, "f");
  std::vector<std::byte> data = random_bytes(5, kMiBytes);
  write_all(*remote, file.file, data);
  EXPECT_EQ(session->moved().directly, 0U);
  Applicant who{.peer = {.pid = 0, .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
  const auto begun = agent->begin_session(who);
  auto other = *client::Session::connect(*tcp(), agent->addresses().at(0), begun->token, in_20_s());
  prepare(*other);
  auto free = *client::open_container(std::move(other), "d");
  const fs::Opened in_free = create(*free, "f");
  write_all(*free, in_free.file, data);
  EXPECT_EQ(session->moved().directly, data.size());
}

TEST_F(DirectTest, NothingIsLostOrDoneTwiceWhenTheWayIsCutInMidTransfer) {
  auto remote = attach();
  constexpr int kThreads = 2;
  constexpr int kWorkers = 3;
  constexpr int kRounds = 150;
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
  // However slow this machine is, something goes that way before it is cut for the first time.
  for (const std::int64_t until = in_20_s(); session->moved().directly == 0 && system_clock().monotonic_ns() < until;) {
    std::this_thread::sleep_for(1ms);
  }
  Random random(7);
  int cuts = 0;
  for (; busy > 0; ++cuts) {
    std::this_thread::sleep_for(std::chrono::microseconds(500 + random.below(30'000)));
    proxy->cut();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(cuts, 10);
  const Status right = run(remote_test::errands_are_done(*remote, kThreads * kWorkers, kRounds));
  EXPECT_TRUE(right.ok()) << right.message();
  EXPECT_GT(session->moved().directly, 0U);
  EXPECT_GT(session->moved().by_server, 0U);
}

TEST_F(DirectTest, NothingIsLostOrDoneTwiceWhenTheAgentIsStartedAnew) {
  auto remote = attach();
  constexpr int kWorkers = 4;
  constexpr int kRounds = 400;
  std::atomic<bool> busy = true;
  std::thread thread([&] {
    auto own = *runtime::Loop::create();
    int done = 0;
    for (int w = 0; w < kWorkers; ++w) {
      own->start(remote_test::errands(*remote, w, kRounds), [&done](const Status& status) {
        EXPECT_TRUE(status.ok()) << status.message();
        ++done;
      });
    }
    while (done < kWorkers) own->wait();
    busy = false;
  });
  const auto moved = [this] { return session->moved().directly + session->moved().by_server; };
  Random random(8);
  constexpr int kEndsMax =
      30;  // then the errands are left in peace: where a return takes longer than a life they would never end
  int ends = 0;
  for (; busy && ends < kEndsMax; ++ends) {
    // However slow this machine is, every second life sees data.
    const std::uint64_t before = moved();
    for (const std::int64_t until = in_20_s();
         ends % 2 == 1 && busy && moved() == before && system_clock().monotonic_ns() < until;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random.below(80)));
    start_agent({});
  }
  thread.join();
  EXPECT_GT(ends, 2);
  const Status right = run(remote_test::errands_are_done(*remote, kWorkers, kRounds));
  EXPECT_TRUE(right.ok()) << right.message();
  EXPECT_GT(session->moved().directly, session->moved().by_server);
}

// Nobody hears that the network swallows everything: host and engine wait for a while, and then do without.
TEST_F(DirectTest, ANetworkThatSwallowsHoldsCallsUpForAWhile) {
  auto remote = attach();
  const fs::Opened file = create(*remote, "f");
  std::vector<std::byte> data = random_bytes(6, 8 * kMiBytes);
  ASSERT_TRUE(goes_directly(*remote, file.file));
  proxy->stop(true);
  const std::int64_t begin_ns = system_clock().monotonic_ns();
  write_all(*remote, file.file, data);
  EXPECT_TRUE(read_all(*remote, file.file, data.size()) == data);
  constexpr std::int64_t kSoonNs = 50'000'000'000;
  EXPECT_LT(system_clock().monotonic_ns() - begin_ns, kSoonNs);
  proxy->stop(false);
  EXPECT_TRUE(goes_directly(*remote, file.file));
}

// ---- at the engine, with peers that have no manners ----

class DirectRawTest : public ::testing::Test, protected remote_test::RawChanges {
 protected:
  void SetUp() override {
    ASSERT_TRUE(pool.create_container("c", {}).ok());
    std::vector<Listener> listeners(1);
    listeners[0] = {.domain = *fabric::local::make_domain({}), .address = directory / "sock"};
    engine = *Server::start(pool, std::move(listeners), {.patience = 0ms});
    raw = peer(begin());
    open(*raw);
  }
  wire::Token begin() {
    Applicant who{.peer = {.pid = ::getpid(), .uid = ::geteuid(), .gid = ::getegid(), .groups = {}}};
    fill_random(who.client);
    return engine->begin_session(who)->token;
  }
  std::unique_ptr<RawPeer> peer(const wire::Token& token, wire::Kind kind = wire::Kind::kRequests) {
    return std::make_unique<RawPeer>(directory / "sock",
                                     wire::Hello{.kind = kind, .pid = ::getpid(), .session = token});
  }
  std::unique_ptr<RawPeer> transfers(const wire::Token& token) { return peer(token, wire::Kind::kTransfers); }
  // What kReach gives.
  wire::Token token(RawPeer& by) {
    by.send(RawPeer::encoded({.id = 900, .op = Op::kReach}));
    const auto head = by.next();
    const auto reply = wire::decode_reply(*head);
    EXPECT_EQ(reply->error, 0);
    const auto reach = wire::decode_reach(reply->text);
    EXPECT_TRUE(reach.has_value());
    return reach->token;
  }
  [[nodiscard]] wire::Request with_window(Op op, const RawPeer& channel, const fabric::Window& window) const {
    wire::Request request{.id = 50, .op = op, .container = container, .node = channel.welcome().channel, .other = 77};
    request.file = file;
    if (op == Op::kRead) request.b = window.size_bytes;
    request.windows.push_back({.offset_bytes = 0, .size_bytes = window.size_bytes, .key = window.key});
    return request;
  }
  // The error of the reply, which has to have this hint. Meanwhile data comes and goes by the other.
  static int ask(RawPeer& by, const wire::Request& request, Retry hint, RawPeer& other) {
    by.send(RawPeer::encoded(request));
    for (const std::int64_t until = in_20_s(); !by.has_heard() && system_clock().monotonic_ns() < until;) {
      by.turn();
      other.turn();
    }
    const auto head = by.next();
    if (!head.has_value()) return -1;
    const auto reply = wire::decode_reply(*head);
    EXPECT_EQ(static_cast<Retry>(reply->retry), hint);
    return reply->error;
  }

  engine::TestDirectory directory;
  remote_test::ModelPool pool;
  std::unique_ptr<Server> engine;
  std::unique_ptr<RawPeer> raw;
};

TEST_F(DirectRawTest, ATokenAdmitsOneChannelAndNothingElse) {
  const wire::Token good = token(*raw);
  wire::Token forged = good;
  forged[3] ^= 1;
  EXPECT_EQ(transfers(forged)->welcome_error(), ESTALE);
  EXPECT_EQ(transfers(wire::Token{})->welcome_error(), ESTALE);
  EXPECT_EQ(transfers(raw->welcome().session)->welcome_error(), ESTALE);  // a session's is for requests
  EXPECT_EQ(peer(good)->welcome_error(), ESTALE);                         // and this for transfers
  const auto first = transfers(good);
  EXPECT_EQ(first->welcome_error(), 0);
  EXPECT_NE(first->welcome().channel, 0U);
  EXPECT_EQ(first->welcome().session, wire::Token{});
  EXPECT_EQ(transfers(good)->welcome_error(), ESTALE);  // once
  // Not behind the end of the session.
  const wire::Token late = token(*raw);
  EXPECT_EQ(raw->ask({.id = 901, .op = Op::kEnd}), 0);
  EXPECT_TRUE(first->ends());
  EXPECT_EQ(transfers(late)->welcome_error(), ESTALE);
}

TEST_F(DirectRawTest, ATokenIsGoodForAWhile) {
  const wire::Token stale = token(*raw);
  const std::int64_t until = system_clock().monotonic_ns() + Server::kGreetingNs;
  while (system_clock().monotonic_ns() < until) std::this_thread::sleep_for(100ms);
  EXPECT_EQ(transfers(stale)->welcome_error(), ESTALE);
}

TEST_F(DirectRawTest, ARequestOnAChannelForTransfersEndsIt) {
  const auto channel = transfers(token(*raw));
  channel->send(RawPeer::encoded({.id = 1, .op = Op::kPing}));
  EXPECT_FALSE(channel->next().has_value());
  EXPECT_EQ(raw->ask({.id = 60, .op = Op::kPing}), 0);  // its session goes on
}

TEST_F(DirectRawTest, DataGoesByTheChannelThatIsNamed) {
  const auto channel = transfers(token(*raw));
  std::vector<std::byte> data = random_bytes(1, 10'000);
  const fabric::Window readable = channel->expose(data, fabric::Access::kRead);
  EXPECT_EQ(ask(*raw, with_window(Op::kWrite, *channel, readable), Retry::kNever, *channel), 0);
  std::vector<std::byte> back(10'000);
  const fabric::Window writable = channel->expose(back, fabric::Access::kWrite);
  EXPECT_EQ(ask(*raw, with_window(Op::kRead, *channel, writable), Retry::kNever, *channel), 0);
  const auto word = channel->next();
  ASSERT_TRUE(word.has_value());
  EXPECT_EQ(wire::decode_landed(*word)->ticket, 77U);
  EXPECT_TRUE(back == data);
  EXPECT_EQ(engine->moved().direct, 20'000U);
}

TEST_F(DirectRawTest, AKeyOfAnotherChannelIsRefusedAndTouchesNothing) {
  const auto mine = transfers(token(*raw));
  const auto other = transfers(token(*raw));
  std::vector<std::byte> memory(10'000, std::byte{0xa5});
  const std::vector<std::byte> before = memory;
  std::vector<std::byte> content = random_bytes(2, 10'000);
  raw->send(RawPeer::encoded(append(60, 2)), content.size());
  ASSERT_EQ(raw->reply_error(), 0);
  const fabric::Window writable = mine->expose(memory, fabric::Access::kWrite);
  // By another channel of the session: the read is answered, and the channel ends instead of saying that its data is there.
  raw->send(RawPeer::encoded(with_window(Op::kRead, *other, writable)));
  EXPECT_EQ(raw->reply_error(), 0);
  EXPECT_TRUE(other->ends());
  EXPECT_TRUE(memory == before);
  // A write is refused, and can be asked for again.
  const auto third = transfers(token(*raw));
  const fabric::Window readable = mine->expose(memory, fabric::Access::kRead);
  EXPECT_EQ(ask(*raw, with_window(Op::kWrite, *third, readable), Retry::kEndpoint, *third), EIO);
  EXPECT_TRUE(third->ends());
  // By a channel that is not there any more, and by one of another session.
  EXPECT_EQ(ask(*raw, with_window(Op::kWrite, *other, readable), Retry::kEndpoint, *other), EIO);
  EXPECT_EQ(ask(*raw, with_window(Op::kRead, *other, writable), Retry::kEndpoint, *other), EIO);
  const auto stranger = peer(begin());
  const auto strangers = transfers(token(*stranger));
  const fabric::Window theirs = strangers->expose(memory, fabric::Access::kWrite);
  EXPECT_EQ(ask(*raw, with_window(Op::kRead, *strangers, theirs), Retry::kEndpoint, *strangers), EIO);
  // By the channel of requests itself: that is this peer's own end.
  wire::Request here = with_window(Op::kRead, *mine, writable);
  here.node = here.other = 0;
  raw->send(RawPeer::encoded(here));
  EXPECT_TRUE(raw->ends());
  EXPECT_TRUE(memory == before);
}

TEST_F(DirectRawTest, ChannelsOfASessionAreBounded) {
  std::vector<wire::Token> tokens;
  for (std::uint32_t i = 0; i < wire::kConnectionsMax; ++i) tokens.push_back(token(*raw));
  EXPECT_EQ(raw->ask({.id = 902, .op = Op::kReach}), EUSERS);
}

}  // namespace
}  // namespace ross::server
