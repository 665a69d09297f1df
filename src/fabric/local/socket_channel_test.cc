// Goal: messages arrive whole, in order and where the receiver wants them, whatever pieces the stream comes in; an end of
// the connection is told once, with every unsent message; bytes beyond the limits end the connection.
// Method: two channels of one loop over a socket pair, and a channel against raw bytes.
#include "fabric/local/socket_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <filesystem>
#include <string>

#include "base/random.h"

namespace ross::fabric {
namespace {

constexpr ChannelLimits kLimits{.head_bytes_max = 1000, .payload_bytes_max = 1 << 20};

struct Inbox final : Receiver {
  struct Message {
    std::string head;
    std::string payload;
  };
  std::vector<Message> messages;
  std::deque<std::string> landing;
  std::vector<memory::Span> spans;
  std::size_t pieces = 1;  // how many spans a payload lands in
  int closed = 0;
  Status why;
  std::function<Status()> on_each;

  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    messages.push_back({std::string(reinterpret_cast<const char*>(head.data()), head.size()), {}});
    landing.clear();
    spans.clear();
    for (std::size_t i = 0; i < pieces; ++i) {
      const std::size_t size = payload_bytes / pieces + (i < payload_bytes % pieces ? 1 : 0);
      landing.emplace_back(size, '\0');
      spans.push_back({reinterpret_cast<std::byte*>(landing.back().data()), size});
    }
    return memory::Memory(std::span<const memory::Span>(spans));
  }
  Status on_message() override {
    for (const std::string& piece : landing) messages.back().payload += piece;
    return on_each ? on_each() : Status();
  }
  void on_closed(const Status& status) override {
    ++closed;
    why = status;
  }
};

struct Letter : Outgoing {
  std::string text;
  int done = 0;
  bool ok = false;
  Letter(const std::string& head_text, std::string payload_text) : text(std::move(payload_text)) {
    head.resize(head_text.size());
    std::memcpy(head.data(), head_text.data(), head_text.size());
    payload = memory::Memory(text.data(), text.size());
    sent = [](Outgoing& self, bool was_ok) {
      ++static_cast<Letter&>(self).done;
      static_cast<Letter&>(self).ok = was_ok;
    };
  }
};

class SocketChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    left_socket = Socket(fds[0]);
    right_socket = Socket(fds[1]);
  }
  std::unique_ptr<Channel> channel(Socket socket) { return *make_socket_channel(*loop, std::move(socket), kLimits); }
  // Drives the loop until done() or 20 s have passed.
  void drive(const std::function<bool()>& done) {
    const std::int64_t deadline = loop->clock().monotonic_ns() + 20'000'000'000;
    while (!done() && loop->clock().monotonic_ns() < deadline) loop->wait(deadline);
    EXPECT_TRUE(done());
  }

  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  Socket left_socket;
  Socket right_socket;
  Inbox left_inbox;
  Inbox right_inbox;
};

TEST_F(SocketChannelTest, MessagesOfAllSizesArriveInOrder) {
  Random random(7);
  auto left = channel(std::move(left_socket));
  auto right = channel(std::move(right_socket));
  left->start(left_inbox);
  right->start(right_inbox);
  right_inbox.pieces = 3;
  std::deque<Letter> letters;
  for (int i = 0; i < 300; ++i) {
    const std::size_t payload = random.chance(1, 4) ? 0 : random.below(random.chance(1, 8) ? 1 << 20 : 9000);
    letters.emplace_back(std::string(random.below(1001), static_cast<char>('a' + i % 26)),
                         std::string(payload, static_cast<char>('A' + i % 26)));
  }
  for (Letter& letter : letters) left->send(letter);
  drive([&] { return right_inbox.messages.size() == letters.size() && letters.back().done == 1; });
  for (std::size_t i = 0; i < letters.size(); ++i) {
    EXPECT_EQ(letters[i].done, 1);
    EXPECT_TRUE(letters[i].ok);
    ASSERT_EQ(right_inbox.messages[i].head.size(), letters[i].head.size());
    ASSERT_EQ(right_inbox.messages[i].payload, letters[i].text);
  }
  EXPECT_EQ(left->peer().pid, ::getpid());
  left->close();
  drive([&] { return left_inbox.closed == 1 && right_inbox.closed == 1; });
  EXPECT_EQ(right_inbox.why.error(), ESHUTDOWN);
}

TEST_F(SocketChannelTest, PayloadsInMorePiecesThanOneReceiveTakes) {
  auto left = channel(std::move(left_socket));
  auto right = channel(std::move(right_socket));
  left->start(left_inbox);
  right->start(right_inbox);
  right_inbox.pieces = 50;
  std::string text(700'001, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 >> 3);
  Letter letter("many", text);
  Letter next("next", "n");
  left->send(letter);
  left->send(next);
  drive([&] { return right_inbox.messages.size() == 2 && !right_inbox.messages[1].payload.empty(); });
  EXPECT_EQ(right_inbox.messages[0].payload, text);
  right->close();
  drive([&] { return left_inbox.closed == 1 && right_inbox.closed == 1; });
}

TEST_F(SocketChannelTest, AnEndTellsEveryMessageNotYetSent) {
  auto left = channel(std::move(left_socket));
  left->start(left_inbox);
  std::deque<Letter> letters;
  for (int i = 0; i < 20; ++i) letters.emplace_back("x", std::string(1 << 20, 'x'));  // more than a socket takes
  for (Letter& letter : letters) left->send(letter);
  for (int i = 0; i < 10; ++i) loop->poll();
  right_socket = Socket();  // the peer dies without having read
  drive([&] { return left_inbox.closed == 1; });
  EXPECT_EQ(left_inbox.why.error(), ESHUTDOWN);
  for (const Letter& letter : letters) EXPECT_EQ(letter.done, 1);
  EXPECT_FALSE(letters.back().ok);
}

TEST_F(SocketChannelTest, AReceiverMayCloseInsideItsCalls) {
  auto left = channel(std::move(left_socket));
  auto right = channel(std::move(right_socket));
  left->start(left_inbox);
  right->start(right_inbox);
  Channel* const closing = right.get();
  right_inbox.on_each = [closing] { return closing->close(), Status(); };
  Letter first("1", "");
  Letter second("2", "");
  left->send(first);
  left->send(second);
  drive([&] { return left_inbox.closed == 1 && right_inbox.closed == 1; });
  EXPECT_EQ(right_inbox.messages.size(), 1U);
}

TEST_F(SocketChannelTest, LengthsBeyondTheLimitsEndTheConnection) {
  auto left = channel(std::move(left_socket));
  left->start(left_inbox);
  const std::uint32_t lengths[2] = {4, (1 << 20) + 1};
  ASSERT_EQ(::write(right_socket.fd(), lengths, sizeof lengths), static_cast<ssize_t>(sizeof lengths));
  drive([&] { return left_inbox.closed == 1; });
  EXPECT_EQ(left_inbox.why.error(), EMSGSIZE);
  EXPECT_TRUE(left_inbox.messages.empty());
}

TEST_F(SocketChannelTest, OneByteAtATime) {
  auto left = channel(std::move(left_socket));
  left->start(left_inbox);
  const std::uint32_t lengths[2] = {3, 5};
  std::string bytes(reinterpret_cast<const char*>(lengths), sizeof lengths);
  bytes += "heahello";
  for (const char byte : bytes) {
    ASSERT_EQ(::write(right_socket.fd(), &byte, 1), 1);
    loop->wait(loop->clock().monotonic_ns() + 1'000'000'000);
  }
  drive([&] { return !left_inbox.messages.empty() && !left_inbox.messages[0].payload.empty(); });
  EXPECT_EQ(left_inbox.messages[0].head, "hea");
  EXPECT_EQ(left_inbox.messages[0].payload, "hello");
  right_socket = Socket();
  drive([&] { return left_inbox.closed == 1; });
}

TEST(Socket, MeetsAtPathsOfAnyLengthAndTellsWhenNobodyIsThere) {
  char made[] = "/tmp/ross-socket-XXXXXX";
  ASSERT_NE(::mkdtemp(made), nullptr);
  const std::filesystem::path root(made);
  std::filesystem::path deep = root;
  for (int i = 0; i < 10; ++i) deep /= std::string(50, 'd');
  std::filesystem::create_directories(deep);
  const auto path = deep / "meet.sock";
  EXPECT_EQ(connect_to(path).error().error(), ENOENT);
  {
    const auto listening = listen_at(path);
    ASSERT_TRUE(listening.has_value()) << listening.error().message();
    EXPECT_EQ(std::filesystem::status(path).permissions() & std::filesystem::perms(0077), std::filesystem::perms::none);
    EXPECT_TRUE(connect_to(path).has_value());
  }
  EXPECT_EQ(connect_to(path).error().error(), ECONNREFUSED);
  EXPECT_TRUE(listen_at(path).has_value());  // replaces what was left
  std::filesystem::remove_all(root);
}

TEST(Socket, GreetingsEndWithTheirDeadline) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const Socket left(fds[0]);
  Socket right(fds[1]);
  char byte = 0;
  EXPECT_EQ(receive_all(left.fd(), &byte, 1, system_clock().monotonic_ns() + 2'000'000).error(), ETIMEDOUT);
  right = Socket();
  EXPECT_EQ(receive_all(left.fd(), &byte, 1, system_clock().monotonic_ns() + 2'000'000'000).error(), ECONNRESET);
}

}  // namespace
}  // namespace ross::fabric
