// Goal: what is special to shm between honest sides: windows in memory that peers map, peers of another user, what an endpoint
// leaves in the file system and in descriptors.
// Method: endpoints on one loop; for another user a child process that gives up root.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "fabric/shm/domain.h"
#include "fabric/shm/region.h"

namespace ross::fabric::shm {
namespace {

constexpr ChannelLimits kLimits{.head_bytes_max = 1000, .payload_bytes_max = 1 << 20};

struct End final : Receiver, Acceptor {
  std::unique_ptr<Channel> channel;
  std::vector<std::string> heads;
  int closed = 0;
  Status why;
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t) override {
    heads.emplace_back(reinterpret_cast<const char*>(head.data()), head.size());
    return memory::Memory();
  }
  Status on_message() override { return {}; }
  void on_closed(const Status& status) override {
    ++closed;
    why = status;
  }
  void on_channel(std::unique_ptr<Channel> accepted) override {
    channel = std::move(accepted);
    channel->start(*this);
  }
};

Window exposed(Endpoint& endpoint, const Exposure& exposure) {
  auto window = endpoint.expose(exposure);
  EXPECT_TRUE(window.has_value());
  return window.has_value() ? *std::move(window) : Window();
}

struct Move : Transfer {
  int told = -1;
  Move(std::span<std::byte> memory, const Window& to, std::uint64_t offset = 0) {
    local = memory::Memory(memory);
    window = &to;
    offset_bytes = offset;
    done = [](Transfer& self, int error) { static_cast<Move&>(self).told = error; };
  }
};

struct Letter : Outgoing {
  explicit Letter(std::string_view text) {
    head.resize(text.size());
    std::memcpy(head.data(), text.data(), text.size());
    sent = [](Outgoing& self, bool ok) { static_cast<Letter&>(self).ok = ok; };
  }
  bool ok = false;
};

void drive(runtime::Loop& loop, const std::function<bool()>& done) {
  const std::int64_t deadline = loop.clock().monotonic_ns() + 20'000'000'000;
  while (!done() && loop.clock().monotonic_ns() < deadline) loop.wait(loop.clock().monotonic_ns() + 1'000'000);
  EXPECT_TRUE(done());
}

std::unique_ptr<Channel> dial(runtime::Loop& loop, Endpoint& endpoint, const std::string& path) {
  struct Attempt : Connecting {
    Result<std::unique_ptr<Channel>> result = fail(EINPROGRESS);
  } attempt;
  attempt.done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
    static_cast<Attempt&>(self).result = std::move(channel);
  };
  endpoint.connect(path, attempt, loop.clock().monotonic_ns() + 10'000'000'000);
  drive(loop, [&] { return attempt.result.has_value() || attempt.result.error().error() != EINPROGRESS; });
  return attempt.result.has_value() ? *std::move(attempt.result) : nullptr;
}

class ShmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char made[] = "/tmp/ross-shm-test-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    directory = made;
    path = directory + "/meet";
  }
  void TearDown() override {
    for (End* const end : {&left, &right}) {
      if (end->channel == nullptr) continue;
      if (end->closed == 0) end->channel->close();
      drive(*loop, [&] { return end->closed == 1; });
      end->channel.reset();
    }
    left_endpoint.reset();
    right_endpoint.reset();
    std::filesystem::remove_all(directory);
  }
  void open(const ShmOptions& options) {
    domain = *make_domain(options);
    auto opened = domain->open(*loop, {.limits = kLimits, .listen = path, .acceptor = &right});
    ASSERT_TRUE(opened.has_value()) << opened.error().message();
    right_endpoint = *std::move(opened);
  }
  void meet() {
    open({});
    left_endpoint = *domain->open(*loop, {.limits = kLimits, .listen = {}, .acceptor = nullptr});
    left.channel = dial(*loop, *left_endpoint, path);
    ASSERT_NE(left.channel, nullptr);
    left.channel->start(left);
    drive(*loop, [&] { return right.channel != nullptr; });
  }

  std::string directory;
  std::string path;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  std::unique_ptr<Domain> domain;
  std::unique_ptr<Endpoint> left_endpoint;
  std::unique_ptr<Endpoint> right_endpoint;
  End left;
  End right;
};

void fill(std::span<std::byte> memory, unsigned seed) {
  for (std::size_t i = 0; i < memory.size(); ++i) memory[i] = static_cast<std::byte>((i * 131 + seed) >> 3);
}

TEST_F(ShmTest, WindowsInMemoryThatIsMapped) {
  meet();
  auto region = *allocate_region(3 << 20);
  const std::span memory = region->memory();
  ASSERT_EQ(memory.size(), 3U << 20);
  fill(memory, 1);
  std::vector<std::byte> own(1'500'003);
  fill(own, 77);
  // Off every boundary, and longer than a pass.
  const Window in =
      *right_endpoint->expose({memory.subspan(12'345, own.size() + 10), Access::kWrite, region.get(), nullptr});
  Move put(own, in, 10);
  left.channel->put(put);
  Letter behind("behind");
  left.channel->send(behind);
  drive(*loop, [&] { return right.heads.size() == 1; });
  EXPECT_EQ(put.told, 0);
  EXPECT_EQ(std::memcmp(memory.data() + 12'355, own.data(), own.size()), 0);
  std::vector<std::byte> around(memory.size());
  fill(around, 1);
  EXPECT_EQ(std::memcmp(memory.data(), around.data(), 12'355), 0);
  const std::size_t end = 12'355 + own.size();
  EXPECT_EQ(std::memcmp(memory.data() + end, around.data() + end, around.size() - end), 0);

  const Window out = exposed(*right_endpoint, {memory.subspan(1), Access::kRead, region.get(), right.channel.get()});
  std::vector<std::byte> got(700'000);
  Move get(got, out, 99);
  left.channel->get(get);
  drive(*loop, [&] { return get.told != -1; });
  EXPECT_EQ(get.told, 0);
  EXPECT_EQ(std::memcmp(got.data(), memory.data() + 100, got.size()), 0);

  right_endpoint->revoke(out);
  right_endpoint->revoke(in);
  Move late(own, in);
  left.channel->put(late);
  drive(*loop, [&] { return left.closed == 1 && right.closed == 1; });
  EXPECT_EQ(late.told, EACCES);
}

TEST_F(ShmTest, ARegionGivesItsMemoryBackThoughPeersMapIt) {
  meet();
  auto made = *allocate_region(1 << 20);
  const std::shared_ptr<SharedRegion> kept = static_cast<ShmRegion&>(*made).shared();
  fill(made->memory(), 5);
  const Window window = exposed(*right_endpoint, {made->memory(), Access::kRead, made.get(), nullptr});
  std::vector<std::byte> got(1 << 20);
  Move get(got, window);
  left.channel->get(get);
  drive(*loop, [&] { return get.told == 0; });
  struct stat before {};
  ASSERT_EQ(::fstat(kept->memory.fd(), &before), 0);
  EXPECT_GE(before.st_blocks, 2048);
  right_endpoint->revoke(window);
  made.reset();
  struct stat after {};
  ASSERT_EQ(::fstat(kept->memory.fd(), &after), 0);
  EXPECT_LE(after.st_blocks, 8);
}

TEST_F(ShmTest, ManyRegionsInTurn) {
  meet();
  for (int i = 0; i < 200; ++i) {
    auto region = *allocate_region(8192);
    fill(region->memory(), static_cast<unsigned>(i));
    const Window window = exposed(*right_endpoint, {region->memory(), Access::kRead, region.get(), nullptr});
    std::vector<std::byte> got(8192);
    Move get(got, window);
    left.channel->get(get);
    drive(*loop, [&] { return get.told == 0; });
    ASSERT_EQ(std::memcmp(got.data(), region->memory().data(), got.size()), 0) << i;
    right_endpoint->revoke(window);
  }
}

// In the child: another user, who puts and gets through the rings and is refused what is not his. Its exit code says what failed.
int visit_as_another_user(const std::string& path, const Window& writable, const Window& readable) {
  constexpr unsigned kNobody = 65534;
  if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0) return 10;
  auto loop = *runtime::Loop::create();
  auto domain = *make_domain({});
  auto endpoint = *domain->open(*loop, {.limits = kLimits, .listen = {}, .acceptor = nullptr});
  End end;
  end.channel = dial(*loop, *endpoint, path);
  if (end.channel == nullptr) return 11;
  end.channel->start(end);
  std::vector<std::byte> bytes(900'000);
  fill(bytes, 3);
  Move put(bytes, writable, 5);
  end.channel->put(put);
  drive(*loop, [&] { return put.told != -1; });
  if (put.told != 0) return 12;
  std::vector<std::byte> got(900'000);
  Move get(got, readable, 7);
  end.channel->get(get);
  drive(*loop, [&] { return get.told != -1; });
  std::vector<std::byte> expected(1 << 20);
  fill(expected, 9);
  if (get.told != 0 || std::memcmp(got.data(), expected.data() + 7, got.size()) != 0) return 13;
  Letter letter("done");
  end.channel->send(letter);
  drive(*loop, [&] { return letter.ok; });  // else the put, which is nothing to it, may come first
  Move wrong(bytes, readable);
  end.channel->put(wrong);  // it may only be read
  drive(*loop, [&] { return end.closed == 1; });
  if (wrong.told <= 0) return 14;
  end.channel.reset();
  return ::testing::Test::HasFailure() ? 15 : 0;
}

TEST_F(ShmTest, AnotherUserGoesThroughTheRingsAndIsChecked) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  open({.socket_mode = 0666});
  ASSERT_EQ(::chmod(directory.c_str(), 0755), 0);
  auto region = *allocate_region(1 << 20);  // also in memory that peers of this user map
  std::vector<std::byte> target(1 << 20);
  fill(region->memory(), 9);
  const Window writable = exposed(*right_endpoint, {target, Access::kWrite, nullptr, nullptr});
  const Window readable = exposed(*right_endpoint, {region->memory(), Access::kRead, region.get(), nullptr});
  const pid_t child = ::fork();
  if (child == 0) ::_exit(visit_as_another_user(path, writable, readable));
  drive(*loop, [&] { return right.closed == 1; });
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(right.channel->peer().uid, 65534U);
  EXPECT_EQ(right.heads, std::vector<std::string>{"done"});
  EXPECT_EQ(right.why.error(), EACCES);
  std::vector<std::byte> expected(900'000);
  fill(expected, 3);
  EXPECT_EQ(std::memcmp(target.data() + 5, expected.data(), expected.size()), 0);
  right_endpoint->revoke(writable);
  right_endpoint->revoke(readable);
}

TEST_F(ShmTest, APlaceIsTakenWhileSomebodyListensAndLeftClean) {
  open({});
  EXPECT_EQ(domain->open(*loop, {.limits = kLimits, .listen = path, .acceptor = &left}).error().error(), EADDRINUSE);
  right_endpoint.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  { const auto dead = listen_at(path); }
  EXPECT_TRUE(std::filesystem::exists(path));
  open({});  // what the dead left is replaced
  std::filesystem::remove(path);
  std::ofstream(path) << "another's";
  right_endpoint.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(ShmTest, NothingOfItPassesAnExec) {
  meet();
  auto region = *allocate_region(4096);
  DIR* const open_descriptors = ::opendir("/proc/self/fd");
  ASSERT_NE(open_descriptors, nullptr);
  int seen = 0;
  while (const dirent* const entry = ::readdir(open_descriptors)) {
    const int descriptor = std::atoi(entry->d_name);
    if (entry->d_name[0] == '.' || descriptor < 3 || descriptor == ::dirfd(open_descriptors)) continue;
    const std::string name = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor)).string();
    if (!name.contains("ross-shm") && !name.contains("socket:") && !name.contains("anon_inode:")) continue;
    EXPECT_NE(::fcntl(descriptor, F_GETFD) & FD_CLOEXEC, 0) << name;
    ++seen;
  }
  ::closedir(open_descriptors);
  EXPECT_GE(seen, 8);
}

TEST(ShmDomain, RefusesRingsOfNoUse) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{4096}, std::size_t{100'000}, std::size_t{1} << 40}) {
    EXPECT_EQ(make_domain({.ring_bytes = bytes}).error().error(), EINVAL) << bytes;
  }
}

}  // namespace
}  // namespace ross::fabric::shm
