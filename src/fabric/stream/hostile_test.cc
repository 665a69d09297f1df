// Goal: whatever bytes a peer sends, a channel ends with one clear status or goes on; it never touches memory that no
// window gives, and an endpoint lets nothing in that does not speak its protocol.
// Method: an endpoint over TCP and over a Unix socket, and a raw socket that plays the peer byte by byte.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <vector>

#include "base/random.h"
#include "fabric/local/socket_channel.h"
#include "fabric/stream/frame.h"
#include "fabric/stream/window_table.h"
#include "fabric/tcp/address.h"
#include "fabric/tcp/tcp.h"

namespace ross::fabric::stream {
namespace {

constexpr ChannelLimits kLimits{.head_bytes_max = 1000, .payload_bytes_max = 1 << 20};

using Bytes = std::vector<std::byte>;

template <class T>
void append(Bytes& bytes, const T& value) {
  const auto* const from = reinterpret_cast<const std::byte*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

template <class Head>
Bytes frame(Kind kind, const Head& head, std::size_t payload_bytes, std::size_t payload_sent) {
  Bytes bytes;
  append(bytes, make_prefix(kind, sizeof head, payload_bytes));
  append(bytes, head);
  bytes.resize(bytes.size() + payload_sent, std::byte{0xAB});
  return bytes;
}

Bytes message(std::size_t head, std::size_t payload) {
  Bytes bytes;
  append(bytes, make_prefix(Kind::kMessage, head, payload));
  bytes.resize(bytes.size() + head + payload, std::byte{'m'});
  return bytes;
}

Bytes text(std::string_view from) {
  Bytes bytes(from.size());
  std::memcpy(bytes.data(), from.data(), from.size());
  return bytes;
}

class HostilePeer : public testing::Test, public Acceptor, public Receiver {
 protected:
  void SetUp() override {
    domain_ = *tcp::make_domain({});
    auto endpoint = domain_->open(*loop_, {.limits = kLimits, .listen = "127.0.0.1:0", .acceptor = this});
    ASSERT_TRUE(endpoint.has_value()) << endpoint.error().message();
    endpoint_ = *std::move(endpoint);
    peer_ = raw();
  }
  void TearDown() override {
    if (channel_ != nullptr && closed_ == 0) {
      channel_->close();
      drive([this] { return closed_ == 1; });
    }
    channel_.reset();
  }
  Socket raw() {
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const tcp::Place place = *tcp::numeric(*tcp::parse(endpoint_->address()));
    EXPECT_EQ(::connect(socket.fd(), place.get(), place.size), 0);
    return socket;
  }
  void say(const Bytes& bytes) {
    ASSERT_EQ(::send(peer_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  template <class T>
  T hear() {
    T value;
    drive([this] {
      std::byte byte;
      return ::recv(peer_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
    });
    EXPECT_EQ(::recv(peer_.fd(), &value, sizeof value, MSG_DONTWAIT), static_cast<ssize_t>(sizeof value));
    return value;
  }
  // As a peer that knows the rules.
  void greet() {
    Bytes bytes;
    append(bytes, make_preamble(kLimits));
    say(bytes);
    drive([this] { return channel_ != nullptr; });
    EXPECT_EQ(hear<Preamble>().error, 0U);
  }
  // The channel ends for this reason, and the peer is told it.
  void expect_refused(int error) {
    drive([this] { return closed_ == 1; });
    EXPECT_EQ(why_.error(), error) << why_.message();
    struct {
      Prefix prefix;
      RefusalHead head;
    } refusal{};
    refusal = hear<decltype(refusal)>();
    EXPECT_EQ(refusal.prefix.kind(), static_cast<std::uint32_t>(Kind::kRefusal));
    EXPECT_EQ(refusal.head.error, static_cast<std::uint32_t>(error));
  }
  // The raw peer's connection is over, without an answer.
  void expect_hung_up() {
    drive([this] {
      std::byte byte;
      const ssize_t got = ::recv(peer_.fd(), &byte, 1, MSG_DONTWAIT);
      return got == 0 || (got < 0 && errno == ECONNRESET);
    });
    EXPECT_EQ(channel_, nullptr);
  }
  void drive(const std::function<bool()>& done) {
    const std::int64_t deadline = loop_->clock().monotonic_ns() + 20'000'000'000;
    while (!done() && loop_->clock().monotonic_ns() < deadline) loop_->wait(loop_->clock().monotonic_ns() + 1'000'000);
    ASSERT_TRUE(done());
  }

  void on_channel(std::unique_ptr<Channel> channel) override {
    channel_ = std::move(channel);
    channel_->start(*this);
  }
  Result<memory::Memory> on_head(std::span<const std::byte>, std::size_t payload_bytes) override {
    landing_.resize(payload_bytes);
    return memory::Memory(landing_);
  }
  Status on_message() override {
    ++messages_;
    return {};
  }
  void on_closed(const Status& why) override {
    ++closed_;
    why_ = why;
  }

  std::unique_ptr<runtime::Loop> loop_ = *runtime::Loop::create();
  std::unique_ptr<Domain> domain_;
  std::unique_ptr<Endpoint> endpoint_;
  std::unique_ptr<Channel> channel_;
  Socket peer_;
  Bytes landing_;
  int messages_ = 0;
  int closed_ = 0;
  Status why_;
};

TEST_F(HostilePeer, AnotherProtocolIsHungUpOnAtItsFirstBytes) {
  say(text("GET / HTTP/1.1\r\n"));
  expect_hung_up();
}

TEST_F(HostilePeer, AnotherVersionLearnsOurs) {
  Preamble other = make_preamble(kLimits);
  other.version = kVersion + 1;
  Bytes bytes;
  append(bytes, other);
  say(bytes);
  const auto answer = hear<Preamble>();
  EXPECT_EQ(answer.version, kVersion);
  EXPECT_EQ(answer.error, static_cast<std::uint32_t>(EPROTO));
  expect_hung_up();
}

TEST_F(HostilePeer, APreambleInPiecesIsAPreamble) {
  Bytes bytes;
  append(bytes, make_preamble(kLimits));
  for (const std::byte byte : bytes) {
    say({byte});
    loop_->poll();
  }
  drive([this] { return channel_ != nullptr; });
}

TEST_F(HostilePeer, WhoIsSilentMakesRoomForOthers) {
  std::vector<Socket> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(raw());
  peer_ = raw();
  greet();
  say(message(3, 5));
  drive([this] { return messages_ == 1; });
}

TEST_F(HostilePeer, UnknownKindsAndWrongLengthsEndTheChannel) {
  const std::vector<Prefix> wrong = {
      {5U << 24 | 4, 0},
      {0xFFFFFFFF, 0xFFFFFFFF},
      make_prefix(Kind::kPut, sizeof(PutHead) + 1, 10),
      make_prefix(Kind::kPut, 0, 10),
      make_prefix(Kind::kGet, sizeof(GetHead), 1),
      make_prefix(Kind::kGet, sizeof(GetHead) - 1, 0),
      make_prefix(Kind::kReply, 0, 0),
      make_prefix(Kind::kRefusal, 4, 1),
      make_prefix(Kind::kRefusal, 0, 0),
  };
  for (const Prefix& prefix : wrong) {
    greet();
    Bytes bytes = message(1, 1);
    append(bytes, prefix);
    say(bytes);
    expect_refused(EPROTO);
    EXPECT_EQ(messages_, 1);
    channel_.reset();
    closed_ = messages_ = 0;
    peer_ = raw();
  }
}

TEST_F(HostilePeer, MessagesBeyondTheLimitsEndTheChannel) {
  for (const Prefix& prefix :
       {make_prefix(Kind::kMessage, kLimits.head_bytes_max + 1, 0),
        make_prefix(Kind::kMessage, 0, kLimits.payload_bytes_max + 1), Prefix{Prefix::kHeadBytesMax, UINT32_MAX}}) {
    greet();
    Bytes bytes;
    append(bytes, prefix);
    say(bytes);
    expect_refused(EMSGSIZE);
    channel_.reset();
    closed_ = 0;
    peer_ = raw();
  }
}

TEST_F(HostilePeer, AnswersToNothingEndTheChannel) {
  for (const std::uint32_t id : {0U, 1U, kGetsMax, UINT32_MAX}) {
    greet();
    say(frame(Kind::kReply, ReplyHead{id}, 10, 10));
    expect_refused(EPROTO);
    channel_.reset();
    closed_ = 0;
    peer_ = raw();
  }
}

TEST_F(HostilePeer, AnswersOfAnotherSizeEndTheChannel) {
  for (const std::size_t size : {0U, 101U}) {
    greet();
    Bytes into(100, std::byte{1});
    const Window window{.size_bytes = 100, .key = std::string(sizeof(Key), 'k')};
    Transfer transfer;
    transfer.local = memory::Memory(into);
    transfer.window = &window;
    static int told;
    told = -1;
    transfer.done = [](Transfer&, int error) { told = error; };
    channel_->get(transfer);
    struct {
      Prefix prefix;
      GetHead head;
    } asked{};
    asked = hear<decltype(asked)>();
    EXPECT_EQ(get_u64(asked.head.size_bytes), 100U);
    say(frame(Kind::kReply, ReplyHead{asked.head.id}, size, size));
    expect_refused(EPROTO);
    EXPECT_EQ(told, EPROTO);
    EXPECT_EQ(into, Bytes(100, std::byte{1}));
    channel_.reset();
    closed_ = 0;
    peer_ = raw();
  }
}

TEST_F(HostilePeer, MoreGetsThanGrantedEndTheChannel) {
  greet();
  Bytes memory(1 << 20);
  const Window window = *endpoint_->expose({memory, Access::kRead, nullptr, nullptr});
  GetHead head{.key = *key_of(window)};
  put_u64(head.size_bytes, memory.size());
  Bytes bytes;
  for (std::uint32_t i = 0; i < kGetsMax + 1000; ++i) {
    head.id = i;
    const Bytes one = frame(Kind::kGet, head, 0, 0);
    bytes.insert(bytes.end(), one.begin(), one.end());
  }
  say(bytes);  // and nothing is ever read
  drive([this] { return closed_ == 1; });
  EXPECT_EQ(why_.error(), EPROTO);
  endpoint_->revoke(window);
}

TEST_F(HostilePeer, KeysAndRangesAreCheckedToTheBit) {
  Bytes memory(4096, std::byte{7});
  const Window write = *endpoint_->expose({memory, Access::kWrite, nullptr, nullptr});
  const Window read = *endpoint_->expose({memory, Access::kRead, nullptr, nullptr});
  struct Case {
    int error;
    std::uint64_t offset;
    std::uint64_t size;
    Key key;
  };
  const Key good = *key_of(write);
  std::vector<Case> cases = {
      {ERANGE, 4096, 1, good},       {ERANGE, 4090, 7, good},
      {ERANGE, UINT64_MAX, 1, good}, {ERANGE, UINT64_MAX - 4095, 4096, good},
      {EACCES, 0, 1, *key_of(read)}, {EACCES, 0, 0, Key{}},
  };
  for (int bit = 0; bit < 128; bit += 17) {
    Case flipped{EACCES, 0, 1, good};
    flipped.key.secret[bit / 32] ^= 1U << bit % 32;
    cases.push_back(flipped);
  }
  cases.push_back({EACCES, 0, 1, good});
  cases.back().key.slot = UINT32_MAX;
  for (const Case& each : cases) {
    greet();
    PutHead head{.key = each.key};
    put_u64(head.offset_bytes, each.offset);
    say(frame(Kind::kPut, head, each.size, each.size));
    expect_refused(each.error);
    channel_.reset();
    closed_ = 0;
    peer_ = raw();
  }
  EXPECT_EQ(memory, Bytes(4096, std::byte{7}));
  endpoint_->revoke(write);
  endpoint_->revoke(read);
}

TEST_F(HostilePeer, AWindowThatGoesWhileAPutComesInEndsTheChannel) {
  Bytes memory(1 << 20, std::byte{7});
  const Window window = *endpoint_->expose({memory, Access::kWrite, nullptr, nullptr});
  greet();
  say(frame(Kind::kPut, PutHead{.key = *key_of(window)}, memory.size(), 100'000));
  drive([&] { return memory[99'999] == std::byte{0xAB}; });
  endpoint_->revoke(window);
  const Bytes before = memory;
  static_cast<void>(::send(peer_.fd(), before.data(), 1000, MSG_NOSIGNAL));
  drive([this] { return closed_ == 1; });
  EXPECT_EQ(why_.error(), ECANCELED);
  EXPECT_EQ(memory, before);
}

TEST_F(HostilePeer, AnEndInsideAFrameIsAnEnd) {
  for (const std::size_t bytes : {1U, 7U, 8U, 9U, 500U}) {
    greet();
    Bytes cut = message(100, 1000);
    cut.resize(bytes);
    say(cut);
    peer_ = Socket();
    drive([this] { return closed_ == 1; });
    EXPECT_EQ(why_.error(), ESHUTDOWN);
    EXPECT_EQ(messages_, 0);
    channel_.reset();
    closed_ = 0;
    peer_ = raw();
  }
}

TEST_F(HostilePeer, GarbageOfManySeedsNeverDoesMoreThanEndTheChannel) {
  Bytes memory(4096, std::byte{7});
  const Window window = *endpoint_->expose({memory, Access::kRead, nullptr, nullptr});
  Random random(11);
  for (int run = 0; run < 200; ++run) {
    greet();
    Bytes bytes;
    while (bytes.size() < 3000) {
      switch (random.below(4)) {
        case 0:
          append(bytes, random());
          break;
        case 1:
          append(bytes, make_prefix(static_cast<Kind>(random.below(6)), random.below(50), random.below(3000)));
          break;
        case 2: {
          const Bytes good = message(random.below(30), random.below(300));
          bytes.insert(bytes.end(), good.begin(), good.end());
          break;
        }
        default: {
          GetHead head{.id = static_cast<std::uint32_t>(random()), .key = *key_of(window)};
          put_u64(head.size_bytes, random.below(5000));
          append(bytes, make_prefix(Kind::kGet, sizeof head, 0));
          append(bytes, head);
        }
      }
    }
    static_cast<void>(::send(peer_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    peer_ = Socket();
    drive([this] { return closed_ == 1; });
    EXPECT_FALSE(why_.message().empty());
    channel_.reset();
    closed_ = 0;
    peer_ = raw();
  }
  EXPECT_EQ(memory, Bytes(4096, std::byte{7}));
  endpoint_->revoke(window);
}

TEST(LocalChannel, TransfersFailCleanlyWhereThereAreNoWindows) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const auto loop = *runtime::Loop::create();
  const auto channel = *make_socket_channel(*loop, Socket(fds[0]), kLimits);
  const Socket other(fds[1]);
  const Window window{.size_bytes = 1, .key = std::string(sizeof(Key), 'k')};
  Transfer transfers[2];
  static int told;
  told = 0;
  for (Transfer& transfer : transfers) {
    transfer.window = &window;
    transfer.done = [](Transfer&, int error) { told += error == ENOTSUP ? 1 : 100; };
  }
  channel->put(transfers[0]);
  channel->get(transfers[1]);
  EXPECT_EQ(told, 0);
  loop->poll();
  EXPECT_EQ(told, 2);
}

TEST(Addresses, AreHostAndPort) {
  for (const char* const good : {"127.0.0.1:1", "[::1]:65535", "[fe80::1%lo]:7", "host.example:7471"}) {
    const auto parsed = tcp::parse(good);
    ASSERT_TRUE(parsed.has_value()) << good;
    EXPECT_EQ(tcp::to_text(*parsed), good);
    if (const auto place = tcp::numeric(*parsed); place.has_value()) {
      EXPECT_EQ(tcp::to_text(*place), good);
    }
  }
  for (const char* const bad :
       {"", ":", ":1", "host", "host:", "host:x", "host:65536", "host:-1", "host:1 ", "::1:7", "[::1]", "[]:1",
        "[::1:1", "[::1]x:1", "[host]:1", "[127.0.0.1]:1", "[[::1]:1", "a]:1"}) {
    EXPECT_EQ(tcp::parse(bad).error().error(), EINVAL) << bad;
  }
  EXPECT_FALSE(tcp::numeric(*tcp::parse("localhost:1")).has_value());
  EXPECT_TRUE(tcp::is_wildcard(*tcp::numeric(*tcp::parse("0.0.0.0:1"))));
  EXPECT_TRUE(tcp::is_wildcard(*tcp::numeric(*tcp::parse("[::]:1"))));
}

struct Meeting : Connecting {
  bool over = false;
  Result<std::unique_ptr<Channel>> channel = fail(ECANCELED);
  Meeting() {
    done = [](Connecting& self, Result<std::unique_ptr<Channel>> result) {
      static_cast<Meeting&>(self).over = true;
      static_cast<Meeting&>(self).channel = std::move(result);
    };
  }
};

struct Hall final : Acceptor {
  std::vector<std::unique_ptr<Channel>> came;
  void on_channel(std::unique_ptr<Channel> channel) override { came.push_back(std::move(channel)); }
};

// Names are looked up, IPv6 works, and a wildcard is advertised under the name that was given for it.
TEST(Addresses, LeadToTheEndpointThatHasThem) {
  const auto loop = *runtime::Loop::create();
  Hall hall;
  for (const char* const listen : {"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"}) {
    const auto domain = *tcp::make_domain({.advertise = "localhost"});
    const auto server = domain->open(*loop, {.limits = kLimits, .listen = listen, .acceptor = &hall});
    if (!server.has_value() && listen[0] == '[') continue;  // a machine without IPv6
    ASSERT_TRUE(server.has_value()) << server.error().message();
    const std::string address = (*server)->address();
    const bool wildcard = listen[0] == '0' || std::string_view(listen) == "[::]:0";
    const std::string host = wildcard ? "localhost" : std::string(listen, std::strlen(listen) - 2);
    EXPECT_EQ(address.substr(0, host.size() + 1), host + ":");
    const auto client = *domain->open(*loop, {.limits = kLimits});
    Meeting meeting;
    client->connect(address, meeting, loop->clock().monotonic_ns() + 20'000'000'000);
    EXPECT_FALSE(meeting.over);
    while (!meeting.over) loop->wait();
    EXPECT_TRUE(meeting.channel.has_value()) << meeting.channel.error().message();
    meeting.channel = fail(ECANCELED);
    while (hall.came.empty()) loop->wait();
    hall.came.clear();
  }
}

TEST(Addresses, OfSomethingElseAreToldSo) {
  const auto loop = *runtime::Loop::create();
  const Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  tcp::Place place = *tcp::numeric(*tcp::parse("127.0.0.1:0"));
  ASSERT_EQ(::bind(listener.fd(), place.get(), place.size), 0);
  ASSERT_EQ(::listen(listener.fd(), 1), 0);
  ASSERT_EQ(::getsockname(listener.fd(), place.get(), &place.size), 0);
  const auto domain = *tcp::make_domain({});
  const auto client = *domain->open(*loop, {.limits = kLimits});
  Meeting meeting;
  client->connect(tcp::to_text(place), meeting, loop->clock().monotonic_ns() + 20'000'000'000);
  loop->poll();
  const Socket other(::accept(listener.fd(), nullptr, nullptr));
  ASSERT_EQ(::send(other.fd(), "SSH-2.0-x\r\n", 11, MSG_NOSIGNAL), 11);
  while (!meeting.over) loop->wait();
  EXPECT_EQ(meeting.channel.error().error(), EPROTO);
  EXPECT_NE(meeting.channel.error().message().find("does not speak ROSS"), std::string::npos);
  for (const char* const bad : {"nowhere", "127.0.0.1:0", "no-such-host.invalid:7"}) {
    Meeting fails;
    client->connect(bad, fails, loop->clock().monotonic_ns() + 20'000'000'000);
    EXPECT_FALSE(fails.over);
    while (!fails.over) loop->wait();
    EXPECT_FALSE(fails.channel.has_value()) << bad;
  }
}

}  // namespace
}  // namespace ross::fabric::stream
