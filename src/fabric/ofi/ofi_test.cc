// Goal: hostile and foreign bytes do nothing to an endpoint but count; what a provider lacks is said; addresses and keys are
// read strictly.
// Method: a bare libfabric endpoint that sends an endpoint of ours what a peer would not, beside a good channel.
#include "fabric/ofi/ofi.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/random.h"
#include "fabric/ofi/bare_for_test.h"
#include "fabric/ofi/domain.h"
#include "fabric/ofi/wire.h"

namespace ross::fabric::ofi {
namespace {

constexpr ChannelLimits kLimits{.head_bytes_max = 1000, .payload_bytes_max = 1 << 20};
const Options kTcp{.provider = "ofi+tcp", .node = "127.0.0.1"};

TEST(Ofi, AProviderThatIsNotThereIsNamedWithThoseThatAre) {
  for (const char* const name : {"ofi+sockets", "tcp", "", "ofi+tcp;ofi_rxm"}) {
    const auto domain = make_domain({.provider = name});
    ASSERT_FALSE(domain.has_value());
    EXPECT_EQ(domain.error().error(), ENODEV);
    EXPECT_NE(domain.error().message().find("tcp;ofi_rxm"), std::string::npos) << domain.error().message();
  }
  // An address that is not ours is found out when an endpoint binds it.
  const auto nowhere = make_domain({.provider = "ofi+tcp", .node = "203.0.113.77"});
  auto loop = *runtime::Loop::create();
  EXPECT_FALSE(nowhere.has_value() && (*nowhere)->open(*loop, {.limits = kLimits}).has_value());
}

TEST(Ofi, AddressesAreReadStrictly) {
  for (const char* const good : {"127.0.0.1:1", "10.255.0.3:65535"}) {
    const auto raw = parse_address(FI_SOCKADDR_IN, good);
    ASSERT_TRUE(raw.has_value()) << good;
    EXPECT_EQ(*print_address(FI_SOCKADDR_IN, *raw), good);
  }
  const auto six = parse_address(FI_SOCKADDR_IN6, "[::1]:7471");
  ASSERT_TRUE(six.has_value());
  EXPECT_EQ(*print_address(FI_SOCKADDR_IN6, *six), "[::1]:7471");
  for (const char* const bad : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:99999",
                                "127.0.0.1: 1", "127.0.0.1:1x", "localhost:1", "1.2.3:4", "127.0.0.1:+1", "[::1]:1"}) {
    EXPECT_FALSE(parse_address(FI_SOCKADDR_IN, bad).has_value()) << bad;
  }
  for (const char* const bad : {"", "a/b", "a b", "\x01?"}) EXPECT_FALSE(parse_address(FI_ADDR_STR, bad).has_value());
  EXPECT_FALSE(print_address(FI_SOCKADDR_IN, std::string(16, '\0')).has_value());
  EXPECT_FALSE(print_address(FI_SOCKADDR_IN, "short").has_value());
  EXPECT_FALSE(print_address(FI_ADDR_STR, std::string("/etc/passwd\0", 12)).has_value());
}

TEST(Ofi, KeysThatWereMangledAreNone) {
  const std::string good =
      encode({.access = 1, .only_for = 65536, .id = 7, .rkey = 99, .base = 4096, .size_bytes = 10});
  ASSERT_TRUE(decode_key(good).has_value());
  EXPECT_EQ(decode_key(good)->base, 4096U);
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_key(bad).has_value()) << bit;
  }
}

struct Sink final : Acceptor, Receiver {
  std::unique_ptr<Channel> channel;
  int messages = 0;
  int closed = 0;
  int channels = 0;
  Status why;
  void on_channel(std::unique_ptr<Channel> made) override {
    ++channels;
    if (channel != nullptr) return;  // destroys it
    channel = std::move(made);
    channel->start(*this);
  }
  Result<memory::Memory> on_head(std::span<const std::byte>, std::size_t) override { return memory::Memory(); }
  Status on_message() override { return ++messages, Status(); }
  void on_closed(const Status& status) override {
    ++closed;
    why = status;
  }
};

struct Hello : Outgoing {
  bool told = false;
  Hello() {
    head.resize(5);
    sent = [](Outgoing& self, bool) { static_cast<Hello&>(self).told = true; };
  }
};

// An endpoint that says what it likes.
class Stranger {
 public:
  Stranger(OfiDomain& domain, const std::string& target) : bare_(domain, target) {
    EXPECT_EQ(fi_recv(bare_.ep.get(), inbox_, sizeof inbox_, nullptr, FI_ADDR_UNSPEC, &receive_), 0);
  }
  bool say(const std::string& bytes) {
    last_ = bytes;
    return fi_send(bare_.ep.get(), last_.data(), last_.size(), nullptr, bare_.target, &send_) == 0;
  }
  // Something came back.
  bool heard() {
    fi_cq_data_entry entry{};
    while (fi_cq_read(bare_.cq.get(), &entry, 1) == 1) got_ = got_ || entry.op_context == &receive_;
    return got_;
  }
  std::string name() {
    char raw[256];
    std::size_t size = sizeof raw;
    EXPECT_EQ(fi_getname(&bare_.ep->fid, raw, &size), 0);
    return {raw, size};
  }
  [[nodiscard]] const std::byte* inbox() const { return inbox_; }

 private:
  std::string last_;
  std::byte inbox_[kPieceBytes];
  bool got_ = false;
  fi_context2 send_{};
  fi_context2 receive_{};
  Bare bare_;
};

class HostileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server = *domain->open(*loop, {.limits = kLimits, .listen = "127.0.0.1:0", .acceptor = &sink});
    client = *domain->open(*loop, {.limits = kLimits, .listen = {}, .acceptor = nullptr});
    channel = *loop->block_on(dial());
    channel->start(mine);
    drive([&] { return sink.channel != nullptr; });
  }
  void TearDown() override {
    channel->close();
    drive([&] { return mine.closed == 1 && sink.closed == 1; });
    sink.channel.reset();
    channel.reset();
  }
  runtime::Task<Result<std::unique_ptr<Channel>>> dial() {
    co_return co_await connect(*client, server->address(), loop->clock().monotonic_ns() + 10'000'000'000);
  }
  void drive(const std::function<bool()>& done) {
    const std::int64_t deadline = loop->clock().monotonic_ns() + 20'000'000'000;
    bool came = done();
    while (!came && loop->clock().monotonic_ns() < deadline) {
      loop->wait(loop->clock().monotonic_ns() + 1'000'000);
      came = done();
    }
    EXPECT_TRUE(came);
  }
  void say(Stranger& stranger, const std::string& bytes) {
    drive([&] {
      stranger.heard();
      return stranger.say(bytes);
    });
  }
  void expect_good_channel() {
    Hello hello;
    const int before = sink.messages;
    channel->send(hello);
    drive([&] { return hello.told && sink.messages == before + 1; });
    EXPECT_EQ(sink.closed, 0);
  }
  static std::string piece(PieceHeader header, const std::string& body) {
    header.body_bytes = static_cast<std::uint32_t>(body.size());
    return std::string(reinterpret_cast<const char*>(&header), sizeof header) + body;
  }
  static std::string bytes_of(const Introduction& introduction) {
    return {reinterpret_cast<const char*>(&introduction), sizeof introduction};
  }

  std::unique_ptr<Domain> domain = *make_domain(kTcp);
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  Sink sink;
  Sink mine;
  std::unique_ptr<Endpoint> server;
  std::unique_ptr<Endpoint> client;
  std::unique_ptr<Channel> channel;
};

TEST_F(HostileTest, BytesOfStrangersAreDropped) {
  Stranger stranger(static_cast<OfiDomain&>(*domain), server->address());
  Random random(17);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(1 + random.below(random.chance(1, 4) ? 16000 : 100), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (random.chance(3, 4) && bytes.size() >= sizeof(PieceHeader)) {  // a good header and a body of noise
      PieceHeader header;
      header.kind = static_cast<PieceKind>(1 + random.below(10));
      header.channel = static_cast<std::uint32_t>(random.chance(1, 2) ? 65536 : random());
      header.secret = random();
      bytes = piece(header, bytes.substr(sizeof header));
    }
    say(stranger, bytes);
  }
  expect_good_channel();
  EXPECT_EQ(sink.channels, 1);
}

TEST_F(HostileTest, GreetingsAreCheckedFieldByField) {
  Stranger stranger(static_cast<OfiDomain&>(*domain), server->address());
  const std::string name = stranger.name();
  const auto greeting = [&](const std::function<void(PieceHeader&, Introduction&, std::string&)>& change) {
    PieceHeader header;
    header.kind = PieceKind::kHello;
    Introduction introduction;
    introduction.secret = 5;
    introduction.channel = 65536;
    introduction.head_bytes_max = 100;
    introduction.payload_bytes_max = 100;
    introduction.address_bytes = static_cast<std::uint32_t>(name.size());
    std::string address = name;
    change(header, introduction, address);
    return piece(header, bytes_of(introduction) + address);
  };
  say(stranger, greeting([](auto& header, auto&, auto&) { header.channel = 1; }));
  say(stranger, greeting([](auto& header, auto&, auto&) { header.version = 9; }));
  say(stranger, greeting([](auto&, auto& own, auto&) { own.address_bytes = 4000; }));
  say(stranger, greeting([](auto&, auto& own, auto&) { own.credits = 1 << 30; }));
  say(stranger, greeting([](auto&, auto& own, auto&) { own.piece_bytes = 1; }));
  say(stranger, greeting([](auto&, auto& own, auto& address) { own.address_bytes = 0, address.clear(); }));
  say(stranger, greeting([](auto&, auto&, auto& address) { address[0] = 77; }));
  expect_good_channel();
  EXPECT_EQ(sink.channels, 1);
  EXPECT_FALSE(stranger.heard());
  // And a good one is answered.
  say(stranger, greeting([](auto&, auto&, auto&) {}));
  drive([&] { return stranger.heard(); });
  EXPECT_EQ(sink.channels, 2);
  PieceHeader header;
  std::memcpy(&header, stranger.inbox(), sizeof header);
  EXPECT_EQ(header.kind, PieceKind::kWelcome);
  EXPECT_EQ(header.secret, 5U);
}

}  // namespace
}  // namespace ross::fabric::ofi
