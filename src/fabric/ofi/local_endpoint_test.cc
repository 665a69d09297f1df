// Goal: who comes to the socket of an endpoint and is no peer of ours is let go and disturbs nobody; a hundred idle channels cost
// nothing; the files of channels go with them, also with a killed process; the program keeps its signals.
// Method: bare sockets that say what they like, beside a good channel; the processor time of a thread that waits; children that are
// killed while connected.
#include "fabric/ofi/local_endpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/sanitizer.h"
#include "fabric/ofi/ofi.h"
#include "fabric/shm/passing.h"

namespace ross::fabric::ofi {
namespace {

constexpr ChannelLimits kLimitsOfPairs{.head_bytes_max = 1000, .payload_bytes_max = 1 << 20};

struct Ear final : Receiver {
  int messages = 0;
  int closed = 0;
  Result<memory::Memory> on_head(std::span<const std::byte>, std::size_t) override { return memory::Memory(); }
  Status on_message() override { return ++messages, Status(); }
  void on_closed(const Status&) override { ++closed; }
};

struct Door final : Acceptor {
  std::vector<std::unique_ptr<Channel>> channels;
  std::vector<std::unique_ptr<Ear>> ears;
  void on_channel(std::unique_ptr<Channel> channel) override {
    ears.push_back(std::make_unique<Ear>());
    channel->start(*ears.back());
    channels.push_back(std::move(channel));
  }
};

std::size_t files_of(pid_t pid) {
  const std::string prefix = "ross-ofi-" + std::to_string(pid) + "-";
  std::size_t count = 0;
  for (const auto& each : std::filesystem::directory_iterator("/dev/shm")) {
    count += each.path().filename().string().starts_with(prefix) ? 1 : 0;
  }
  return count;
}

class LocalEndpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("ROSS_EMULATED") != nullptr)
      GTEST_SKIP() << "ofi+shm needs processes' memory, which emulation does not reach";
    char made[] = "/tmp/ross-ofi-local-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    directory = made;
    auto opened = make_domain({.provider = "ofi+shm"});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    domain = *std::move(opened);
    server = *domain->open(*loop, {.limits = kLimitsOfPairs, .listen = directory + "/sock", .acceptor = &door});
    client = *domain->open(*loop, {.limits = kLimitsOfPairs, .listen = {}, .acceptor = nullptr});
  }
  void TearDown() override {
    for (const auto& each : channels) each->close();
    for (const auto& each : door.channels) each->close();
    drive([&] {
      const auto over = [](const auto& ear) { return ear->closed == 1; };
      return std::ranges::all_of(ears, over) && std::ranges::all_of(door.ears, over);
    });
    channels.clear();
    door.channels.clear();
    server.reset();
    client.reset();
    EXPECT_EQ(files_of(::getpid()), 0U);
    std::filesystem::remove_all(directory);
  }
  bool drive(const std::function<bool()>& done) {
    const std::int64_t deadline = loop->clock().monotonic_ns() + 20'000'000'000;
    bool came = done();
    while (!came && loop->clock().monotonic_ns() < deadline) {
      loop->wait(loop->clock().monotonic_ns() + 1'000'000);
      came = done();
    }
    EXPECT_TRUE(came);
    return came;
  }
  runtime::Task<Result<std::unique_ptr<Channel>>> dial() {
    co_return co_await fabric::connect(*client, server->address(), loop->clock().monotonic_ns() + 10'000'000'000);
  }
  void connect() {
    auto channel = loop->block_on(dial());
    ASSERT_TRUE(channel.has_value()) << channel.error().message();
    ears.push_back(std::make_unique<Ear>());
    (*channel)->start(*ears.back());
    channels.push_back(*std::move(channel));
    drive([&] { return door.channels.size() >= channels.size(); });
  }
  // A message over the channel of that number.
  void expect_good(std::size_t number) {
    struct Word : Outgoing {
      bool told = false;
    } word;
    word.head.resize(5);
    word.sent = [](Outgoing& self, bool) { static_cast<Word&>(self).told = true; };
    const int before = door.ears[number]->messages;
    channels[number]->send(word);
    drive([&] { return word.told && door.ears[number]->messages == before + 1; });
  }
  [[nodiscard]] PairGreeting greeting() const {
    PairGreeting made;
    made.pid = static_cast<std::uint32_t>(::getpid());
    made.probe_address = reinterpret_cast<std::uintptr_t>(&probe);
    made.probe = probe;
    const std::string name = endpoint_name();
    std::memcpy(made.name, name.data(), name.size());
    return made;
  }
  // Connects, says that, and drives until the endpoint has let go. Returns what came back before.
  std::vector<std::byte> say(std::span<const std::byte> bytes, std::span<const int> descriptors) {
    const Socket socket = *start_connect_to(server->address());
    if (!bytes.empty()) {
      EXPECT_TRUE(shm::pass(socket.fd(), bytes, descriptors).ok());
    }
    std::vector<std::byte> heard;
    drive([&] {
      std::array<std::byte, 512> buffer;
      const ssize_t got = ::recv(socket.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got > 0) heard.insert(heard.end(), buffer.begin(), buffer.begin() + got);
      return got == 0 || (got < 0 && errno != EAGAIN);
    });
    return heard;
  }
  std::vector<std::byte> say(const PairGreeting& said, std::span<const int> descriptors) {
    return say(std::as_bytes(std::span(&said, 1)), descriptors);
  }

  std::string directory;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  std::uint64_t probe = 7;
  Door door;
  std::unique_ptr<Domain> domain;
  std::unique_ptr<Endpoint> server;
  std::unique_ptr<Endpoint> client;
  std::vector<std::unique_ptr<Ear>> ears;
  std::vector<std::unique_ptr<Channel>> channels;
};

TEST_F(LocalEndpointTest, WhoIsNoPeerIsLetGo) {
  connect();
  Random random(5);
  for (int i = 0; i < 50; ++i) {
    std::vector<std::byte> noise(1 + random.below(300));
    for (std::byte& byte : noise) byte = static_cast<std::byte>(random());
    EXPECT_TRUE(say(noise, {}).empty());
  }
  const auto page = *shm::SharedMemory::create(PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
  const auto larger = *shm::SharedMemory::create(2 * PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
  const int pages[] = {page.fd(), larger.fd()};
  const auto refused = [&](const std::function<void(PairGreeting&)>& change, std::span<const int> descriptors) {
    PairGreeting said = greeting();
    change(said);
    const auto heard = say(said, descriptors);
    if (heard.empty()) return true;
    PairGreeting answer;
    if (heard.size() != sizeof answer) return false;
    std::memcpy(&answer, heard.data(), sizeof answer);
    return answer.refused != 0;
  };
  const auto as_it_is = [](PairGreeting&) {};
  const std::span one = std::span(pages).first(1);
  EXPECT_TRUE(refused([](PairGreeting& said) { said.version = 9; }, one));
  EXPECT_TRUE(refused([](PairGreeting& said) { said.pid = 1; }, one));
  EXPECT_TRUE(refused([](PairGreeting& said) { said.name[0] = '/'; }, one));
  EXPECT_TRUE(refused([](PairGreeting& said) { std::memset(said.name, 'x', sizeof said.name); }, one));
  EXPECT_TRUE(refused([](PairGreeting& said) { said.probe_address = 16; }, one));
  EXPECT_TRUE(refused([](PairGreeting& said) { ++said.probe; }, one));
  EXPECT_TRUE(refused(as_it_is, {}));
  EXPECT_TRUE(refused(as_it_is, pages));
  EXPECT_TRUE(refused(as_it_is, std::span(pages).subspan(1)));
  const int no_memory[] = {STDERR_FILENO};
  EXPECT_TRUE(refused(as_it_is, no_memory));
  EXPECT_EQ(door.channels.size(), 1U);
  expect_good(0);
}

TEST_F(LocalEndpointTest, WhoPassesTooManyDescriptorsIsNotHeardToTheEnd) {
  const auto page = *shm::SharedMemory::create(PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
  const int twice[] = {page.fd(), page.fd()};
  const PairGreeting said = greeting();
  const std::int64_t begin = loop->clock().monotonic_ns();
  EXPECT_TRUE(say(std::as_bytes(std::span(&said, 1)).first(1), twice).empty());
  EXPECT_LT(loop->clock().monotonic_ns() - begin, LocalEndpoint::kGreetingNs / 2);
}

TEST_F(LocalEndpointTest, WhoGoesBeforeThereIsAChannelIsForgotten) {
  connect();
  const auto page = *shm::SharedMemory::create(PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
  const int descriptor[] = {page.fd()};
  const std::size_t files = files_of(::getpid());
  for (int i = 0; i < 5; ++i) {
    const PairGreeting said = greeting();
    Socket socket = *start_connect_to(server->address());
    ASSERT_TRUE(shm::pass(socket.fd(), std::as_bytes(std::span(&said, 1)), descriptor).ok());
    PairGreeting answer;
    drive([&] { return ::recv(socket.fd(), &answer, sizeof answer, MSG_DONTWAIT) == ssize_t{sizeof answer}; });
    EXPECT_EQ(answer.refused, 0U);
    EXPECT_TRUE(is_endpoint_name(answer.name));
    EXPECT_EQ(files_of(::getpid()), files + 1);
    socket = Socket();
    drive([&] { return files_of(::getpid()) == files; });
  }
  EXPECT_EQ(door.channels.size(), 1U);
  expect_good(0);
}

TEST_F(LocalEndpointTest, AHundredIdleChannelsCostNothing) {
  constexpr std::size_t kCount = 100;
  for (std::size_t i = 0; i < kCount; ++i) connect();
  for (std::size_t i = 0; i < kCount; ++i) expect_good(i);
  // What was begun comes to its end, and the loop forgets that it was called soon.
  for (int i = 0; i < 3; ++i) loop->wait(loop->clock().monotonic_ns() + 300'000'000);
  timespec begin{};
  timespec end{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
  constexpr std::int64_t kIdleNs = 3'000'000'000;  // to go to sleep and to wake up take some milliseconds of it
  const std::int64_t until = loop->clock().monotonic_ns() + kIdleNs;
  int waits = 0;
  while (loop->clock().monotonic_ns() < until) {
    loop->wait(until);
    ++waits;
  }
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
  const std::int64_t took = (end.tv_sec - begin.tv_sec) * 1'000'000'000 + end.tv_nsec - begin.tv_nsec;
  EXPECT_LE(waits, 3) << "somebody wakes it";
  if constexpr (!kAddressSanitizer && !kThreadSanitizer)
    EXPECT_LT(took, kIdleNs / 100) << "more than 1 % of a processor";
}

TEST_F(LocalEndpointTest, AKilledProcessLeavesNothing) {
  for (int round = 0; round < 3; ++round) {
    const std::size_t known = door.channels.size();
    const pid_t child = ::fork();
    if (child == 0) {
      // Nothing of the parent's is used, and nothing of it destroyed.
      auto its_domain = make_domain({.provider = "ofi+shm"});
      auto its_loop = runtime::Loop::create();
      auto its_endpoint =
          (*its_domain)->open(**its_loop, {.limits = kLimitsOfPairs, .listen = {}, .acceptor = nullptr});
      struct Done : Connecting {
        std::unique_ptr<Channel> channel;
      } connected;
      connected.done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
        if (channel.has_value()) static_cast<Done&>(self).channel = *std::move(channel);
      };
      (*its_endpoint)->connect(directory + "/sock", connected, (*its_loop)->clock().monotonic_ns() + 10'000'000'000);
      for (;;) (*its_loop)->wait();
    }
    drive([&] { return door.channels.size() == known + 1; });
    EXPECT_EQ(door.channels.back()->peer().pid, child);
    EXPECT_EQ(files_of(child), 1U);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    drive([&] { return door.ears.back()->closed == 1; });
    door.channels.pop_back();
    door.ears.pop_back();
    drive([&] { return files_of(child) == 0; });
  }
  connect();
  expect_good(0);
}

TEST_F(LocalEndpointTest, TheProgramKeepsItsSignals) {
  struct sigaction before[NSIG] = {};
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, nullptr, &before[number]);
  connect();
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now {};
    if (::sigaction(number, nullptr, &now) != 0) continue;
    EXPECT_EQ(now.sa_handler, before[number].sa_handler) << "signal " << number;
  }
}

}  // namespace
}  // namespace ross::fabric::ofi
