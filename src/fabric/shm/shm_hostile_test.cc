// Goal: whatever a peer writes into the memory it shares with us, passes us or says in its greeting, we stay inside the rings, never
// hang, and end the channel with a clear status; honest peers go on.
// Method: an endpoint against a peer made by hand, which holds the same descriptors as an honest one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/random.h"
#include "fabric/shm/channel.h"
#include "fabric/shm/domain.h"
#include "fabric/shm/passing.h"

namespace ross::fabric::shm {
namespace {

constexpr ChannelLimits kLimits{.head_bytes_max = 1000, .payload_bytes_max = 1 << 20};
constexpr std::size_t kRing = std::size_t{64} << 10;  // a page of any kernel

struct Victim final : Receiver, Acceptor {
  std::unique_ptr<Channel> channel;
  std::vector<std::byte> landing;
  int messages = 0;
  int closed = 0;
  Status why;
  Result<memory::Memory> on_head(std::span<const std::byte> head, std::size_t payload_bytes) override {
    EXPECT_LE(head.size(), kLimits.head_bytes_max);
    EXPECT_LE(payload_bytes, kLimits.payload_bytes_max);
    landing.resize(payload_bytes);
    return memory::Memory(landing.data(), landing.size());
  }
  Status on_message() override { return ++messages, Status(); }
  void on_closed(const Status& status) override {
    ++closed;
    why = status;
  }
  void on_channel(std::unique_ptr<Channel> accepted) override {
    channel = std::move(accepted);
    channel->start(*this);
  }
};

struct Letter : Outgoing {
  std::vector<std::byte> bytes;
  int told = 0;
  explicit Letter(std::size_t size) : bytes(size) {
    head.resize(8);
    payload = memory::Memory(bytes.data(), bytes.size());
    sent = [](Outgoing& self, bool) { ++static_cast<Letter&>(self).told; };
  }
};

Window exposed(Endpoint& endpoint, const Exposure& exposure) {
  auto window = endpoint.expose(exposure);
  EXPECT_TRUE(window.has_value());
  return window.has_value() ? *std::move(window) : Window();
}

struct Move : Transfer {
  Window to;
  std::vector<std::byte> bytes;
  int told = -1;
  explicit Move(const WindowKey& key, std::size_t size = 64) : bytes(size, std::byte{0x77}) {
    to.key.assign(reinterpret_cast<const char*>(&key), sizeof key);
    to.size_bytes = size;
    local = memory::Memory(bytes.data(), bytes.size());
    window = &to;
    done = [](Transfer& self, int error) { static_cast<Move&>(self).told = error; };
  }
};

// The other side, by hand.
struct Hostile {
  Socket socket;
  SharedMemory inbox;  // its own, which the victim writes to
  SharedMemory table;
  SharedMemory ring;  // the victim's inbox
  Hello hello{.magic = kMagic, .version = kVersion, .flags = kSharesWindows, .ring_bytes = kRing, .link = 5};
  Hello theirs{};
  std::uint64_t tail = 0;

  explicit Hostile(const std::string& path)
      : socket(*start_connect_to(path)),
        inbox(*SharedMemory::create(kInboxHeaderBytes + kRing, SharedMemory::Shape::kRing)),
        table(*SharedMemory::create(kTableBytes, SharedMemory::Shape::kPlain)) {
    hello.probe_address = reinterpret_cast<std::uintptr_t>(hello.probe.data());
  }
  void greet(std::vector<int> descriptors) {
    ASSERT_TRUE(pass(socket.fd(), std::as_bytes(std::span(&hello, 1)), descriptors).ok());
  }
  void greet() { greet({inbox.fd(), table.fd()}); }
  // After the victim's greeting has come.
  void take_greeting() {
    std::vector<Descriptor> passed;
    const auto got = receive_passed(socket.fd(), std::as_writable_bytes(std::span(&theirs, 1)), passed);
    ASSERT_TRUE(got.has_value());
    ASSERT_EQ(passed.size(), 2U);
    ring = *SharedMemory::adopt(std::move(passed[0]), {.shape = SharedMemory::Shape::kRing, .writable = true});
    // The victim's table is not ours to write.
    EXPECT_EQ(::mmap(nullptr, kTableBytes, PROT_WRITE, MAP_SHARED, passed[1].fd(), 0), MAP_FAILED);
  }
  [[nodiscard]] InboxHeader& header() const { return *reinterpret_cast<InboxHeader*>(ring.data()); }
  [[nodiscard]] InboxHeader& own() const { return *reinterpret_cast<InboxHeader*>(inbox.data()); }
  [[nodiscard]] WindowEntry& entry(std::size_t index) const {
    return reinterpret_cast<WindowEntry*>(table.data())[index];
  }
  void write(const RecordPrefix& prefix, std::span<const std::byte> head = {}) {
    std::byte* const at = ring.data() + kInboxHeaderBytes + tail % theirs.ring_bytes;
    std::memcpy(at, &prefix, sizeof prefix);
    std::ranges::copy(head, at + sizeof prefix);
    tail += record_bytes(prefix.head_bytes, prefix.chunk_bytes);
    header().tail.store(tail);
  }
  void say(std::string_view bytes, std::vector<int> descriptors = {}) {
    [[maybe_unused]] const Status status = pass(socket.fd(), std::as_bytes(std::span(bytes)), descriptors);
  }
};

class ShmHostileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char made[] = "/tmp/ross-shm-hostile-XXXXXX";
    ASSERT_NE(::mkdtemp(made), nullptr);
    directory = made;
    path = directory + "/meet";
    endpoint = *domain->open(*loop, {.limits = kLimits, .listen = path, .acceptor = &victim});
  }
  void TearDown() override {
    drop();
    endpoint.reset();
    std::filesystem::remove_all(directory);
  }
  // Ends what there is.
  void drop() {
    if (victim.channel == nullptr) return;
    if (victim.closed == 0) victim.channel->close();
    drive([&] { return victim.closed == 1; });
    victim.channel.reset();
    victim.closed = 0;
  }
  void drive(const std::function<bool()>& done) {
    const std::int64_t deadline = loop->clock().monotonic_ns() + 20'000'000'000;
    while (!done() && loop->clock().monotonic_ns() < deadline) loop->wait(loop->clock().monotonic_ns() + 1'000'000);
    EXPECT_TRUE(done());
  }
  std::unique_ptr<Hostile> meet() {
    auto hostile = std::make_unique<Hostile>(path);
    hostile->greet();
    drive([&] { return victim.channel != nullptr; });
    hostile->take_greeting();
    return hostile;
  }
  void expect_end(int error) {
    drive([&] { return victim.closed == 1; });
    EXPECT_EQ(victim.why.error(), error) << victim.why.message();
    drop();
  }

  std::string directory;
  std::string path;
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create();
  std::unique_ptr<Domain> domain = *make_domain({.ring_bytes = kRing});
  Victim victim;
  std::unique_ptr<Endpoint> endpoint;
};

TEST_F(ShmHostileTest, AWellFormedMessageByHandArrives) {  // else the refusals below might have other reasons
  const auto hostile = meet();
  const std::array<std::byte, 16> head{};
  hostile->write({.kind = Kind::kMessage, .head_bytes = 16, .chunk_bytes = 48, .payload_bytes = 48}, head);
  drive([&] { return victim.messages == 1; });
  EXPECT_EQ(victim.closed, 0);
}

TEST_F(ShmHostileTest, RecordsThatMakeNoSense) {
  struct Case {
    RecordPrefix prefix;
    int error;
  };
  const Case cases[] = {
      {{.kind = Kind{0}}, EPROTO},
      {{.kind = Kind{99}, .head_bytes = 4}, EPROTO},
      {{.kind = Kind::kMessage, .head_bytes = 1001}, EMSGSIZE},
      {{.kind = Kind::kMessage, .head_bytes = 8, .chunk_bytes = 16, .payload_bytes = (1 << 20) + 1}, EMSGSIZE},
      {{.kind = Kind::kMessage, .head_bytes = 8, .chunk_bytes = 0, .payload_bytes = 16}, EPROTO},
      {{.kind = Kind::kMessage, .head_bytes = 8, .chunk_bytes = 64, .payload_bytes = 16}, EPROTO},
      {{.kind = Kind::kMessage, .head_bytes = 0xffffffff}, EPROTO},
      {{.kind = Kind::kMessage, .head_bytes = 8, .chunk_bytes = 0xffffffff, .payload_bytes = 0xffffffff}, EPROTO},
      {{.kind = Kind::kMessage, .head_bytes = 0xfffffff0, .chunk_bytes = 0xfffffff0}, EPROTO},
      {{.kind = Kind::kMore, .chunk_bytes = 16}, EPROTO},
      {{.kind = Kind::kPut, .head_bytes = sizeof(TransferHead), .chunk_bytes = 16}, EPROTO},
      {{.kind = Kind::kPut, .head_bytes = 16}, EPROTO},
      {{.kind = Kind::kGet, .head_bytes = sizeof(TransferHead)}, EACCES},
      {{.kind = Kind::kGet, .head_bytes = sizeof(TransferHead), .chunk_bytes = 16}, EPROTO},
      {{.kind = Kind::kData, .chunk_bytes = 16}, EPROTO},
      {{.kind = Kind::kPlaced}, EPROTO},
  };
  for (const Case& one : cases) {
    const auto hostile = meet();
    std::memset(hostile->ring.data() + kInboxHeaderBytes, 0, kRing);
    hostile->write(one.prefix);
    hostile->header().tail.store(std::min<std::uint64_t>(hostile->tail, kRing));
    SCOPED_TRACE(static_cast<int>(&one - cases));
    expect_end(one.error);
  }
}

TEST_F(ShmHostileTest, MoreThanWasSaidAndMessagesInsideMessages) {
  auto hostile = meet();
  hostile->write({.kind = Kind::kMessage, .chunk_bytes = 16, .payload_bytes = 40});
  hostile->write({.kind = Kind::kMore, .chunk_bytes = 32});
  expect_end(EPROTO);
  hostile = meet();
  hostile->write({.kind = Kind::kMessage, .chunk_bytes = 16, .payload_bytes = 40});
  hostile->write({.kind = Kind::kMessage, .chunk_bytes = 16, .payload_bytes = 40});
  expect_end(EPROTO);
}

TEST_F(ShmHostileTest, PositionsThatCannotBe) {
  for (const std::uint64_t tail :
       {kRing + 16, std::size_t{8}, std::size_t{1}, SIZE_MAX, SIZE_MAX - 15, std::size_t{1} << 63}) {
    SCOPED_TRACE(tail);
    const auto hostile = meet();
    hostile->header().tail.store(tail);
    expect_end(EPROTO);
  }
  {
    const auto hostile = meet();  // back behind what was read
    hostile->write({.kind = Kind::kMessage, .head_bytes = 16});
    drive([&] { return victim.messages > 0; });
    hostile->header().tail.store(0);
    expect_end(EPROTO);
  }
  for (const std::uint64_t head : {std::uint64_t{1} << 40, std::uint64_t{64}}) {
    const auto hostile = meet();  // ahead of what was written
    hostile->own().head.store(head);
    Letter letter(100'000);
    victim.channel->send(letter);
    expect_end(EPROTO);
    EXPECT_EQ(letter.told, 1);
  }
}

TEST_F(ShmHostileTest, AReaderThatNeverReadsAndAPartOfARecordKeepNobodyAwake) {
  const auto hostile = meet();
  Letter letter(1 << 20);
  victim.channel->send(letter);
  const RecordPrefix prefix{.kind = Kind::kMessage, .head_bytes = 500};
  std::memcpy(hostile->ring.data() + kInboxHeaderBytes, &prefix, sizeof prefix);
  hostile->header().tail.store(32);  // of 528
  for (int i = 0; i < 10; ++i) loop->poll();
  const std::int64_t begin = loop->clock().monotonic_ns();
  timespec before{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  EXPECT_EQ(loop->wait(begin + 200'000'000), 0U);
  timespec after{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  EXPECT_GE(loop->clock().monotonic_ns() - begin, 200'000'000);
  EXPECT_LT((after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec, 50'000'000);
  EXPECT_EQ(victim.closed, 0);
  EXPECT_EQ(letter.told, 0);
  drop();  // while the letter lives
  EXPECT_EQ(letter.told, 1);
}

TEST_F(ShmHostileTest, RandomBytesInEveryShape) {
  const std::uint64_t seed = random_seed();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int round = 0; round < 300; ++round) {
    const auto hostile = meet();
    Letter letter(random.below(50'000));
    if (random.chance(1, 2)) victim.channel->send(letter);
    for (int step = 0; step < 20 && victim.closed == 0; ++step) {
      std::byte* const ring = hostile->ring.data();
      for (int i = 0; i < 64; ++i) {
        // Mostly small numbers in the place of prefixes: they come further than noise.
        const std::uint32_t word = static_cast<std::uint32_t>(random.chance(3, 4) ? random.below(80) : random());
        std::memcpy(ring + kInboxHeaderBytes + 4 * random.below(random.chance(1, 2) ? 64 : kRing / 4), &word,
                    sizeof word);
      }
      hostile->header().tail.fetch_add(16 * random.below(60));
      if (random.chance(1, 8)) hostile->own().head.store(16 * random.below(kRing));
      if (random.chance(1, 8)) hostile->own().sleeper_wants.store(static_cast<std::uint32_t>(random()));
      if (random.chance(1, 8)) hostile->header().head.store(random());
      loop->poll();
    }
    drop();
    victim.messages = 0;
  }
}

TEST_F(ShmHostileTest, GreetingsThatAreNone) {
  const Descriptor unsealed(::memfd_create("unsealed", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(unsealed.fd(), kInboxHeaderBytes + kRing), 0);
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::vector<std::function<void(Hostile&)>> greetings = {
      [](Hostile& h) { h.hello.magic ^= 1, h.greet(); },
      [](Hostile& h) { h.hello.version = 9, h.greet(); },
      [](Hostile& h) { h.hello.flags = 2, h.greet(); },
      [](Hostile& h) { h.hello.ring_bytes = 0, h.greet(); },
      [](Hostile& h) { h.hello.ring_bytes = kRing + 16, h.greet(); },
      [](Hostile& h) { h.hello.ring_bytes = kRing * 2, h.greet(); },
      [](Hostile& h) { h.hello.ring_bytes = std::uint64_t{1} << 63, h.greet(); },
      [](Hostile& h) { h.greet({}); },
      [](Hostile& h) { h.greet({h.inbox.fd()}); },
      [](Hostile& h) {
        h.greet({h.table.fd(), h.inbox.fd()});
      },
      [&](Hostile& h) {
        h.greet({unsealed.fd(), h.table.fd()});
      },
      [&](Hostile& h) {
        h.greet({null.fd(), h.table.fd()});
      },
      [&](Hostile& h) {
        h.greet({h.inbox.fd(), null.fd()});
      },
      [](Hostile& h) { h.say("GET / HTTP/1.1\r\n\r\n"); },
      [](Hostile& h) { h.say("x"); },
      [](Hostile& h) { ::shutdown(h.socket.fd(), SHUT_WR); },
  };
  for (const auto& greeting : greetings) {
    Hostile hostile(path);
    greeting(hostile);
    // The victim hangs up, and nobody is told of a channel.
    drive([&] {
      std::array<std::byte, 200> bytes;
      std::vector<Descriptor> passed;
      const auto got = receive_passed(hostile.socket.fd(), bytes, passed);
      return got.has_value() ? *got == 0 : got.error().error() == ECONNRESET;
    });
    EXPECT_EQ(victim.channel, nullptr);
  }
  meet();
}

TEST_F(ShmHostileTest, NotesThatMakeNoSense) {
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::string note("R\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0", 16);
  auto hostile = meet();
  hostile->say(note);
  expect_end(EPROTO);
  hostile = meet();
  hostile->say(note, {null.fd()});
  expect_end(EPROTO);
  hostile = meet();
  hostile->say(std::string(16, 'z'), {null.fd()});
  expect_end(EPROTO);
  hostile = meet();
  for (int i = 0; i < 8; ++i) hostile->say("w", {null.fd(), null.fd()});
  expect_end(EPROTO);
  hostile = meet();
  hostile->say(std::string(3000, 'w'));
  for (int i = 0; i < 20; ++i) loop->poll();
  EXPECT_EQ(victim.closed, 0);
}

// Whether the kernel copies between processes, which emulation lacks.
bool reaches_processes() {
  char from = 'x';
  char to = 0;
  const iovec local{.iov_base = &to, .iov_len = 1};
  const iovec remote{.iov_base = &from, .iov_len = 1};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == 1 || errno != ENOSYS;
}

TEST_F(ShmHostileTest, TablesThatLie) {
  constexpr std::size_t kRoom = 65536 - kRegionTrailerBytes;  // with the trailer a page of any kernel
  const auto shared = *SharedMemory::create(kRoom + kRegionTrailerBytes, SharedMemory::Shape::kPlain);
  const std::string note("R\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0", 16);
  struct Case {
    std::uint64_t region_offset;
    std::uint64_t region;
    std::uint64_t address;
    int error;
  };
  for (const Case& one :
       {Case{0, 7, 0, 0}, Case{kRoom - 64, 7, 0, 0}, Case{kRoom - 63, 7, 0, EPROTO}, Case{1 << 20, 7, 0, EPROTO},
        Case{UINT64_MAX - 10, 7, 0, EPROTO}, Case{0, 0, 4096, EFAULT}, Case{0, 9, UINT64_MAX - 5, EFAULT}}) {
    if (one.error == EFAULT && !reaches_processes()) continue;  // then it goes through the ring
    const auto hostile = meet();
    hostile->say(note, {shared.fd()});
    const WindowKey key{.index = 3, .secret = {11, 12}};
    WindowEntry& entry = hostile->entry(3);
    entry.access.store(1);
    entry.key[0].store(11);
    entry.key[1].store(12);
    entry.size_bytes.store(UINT64_MAX);
    entry.region.store(one.region);
    entry.region_offset.store(one.region_offset);
    entry.address.store(one.address);
    entry.state.store(1);
    std::memset(shared.data(), 0, shared.size_bytes());
    Move move(key);
    victim.channel->put(move);
    drive([&] { return move.told != -1; });
    EXPECT_EQ(move.told, one.error);
    if (one.error == 0) {
      EXPECT_EQ(std::memcmp(shared.data() + one.region_offset, move.bytes.data(), move.bytes.size()), 0);
      EXPECT_EQ(hostile->own().marks[0].load(), 0U);
      drop();
    } else {
      expect_end(one.error);
    }
  }
  const auto hostile = meet();
  Move beyond({.index = UINT64_MAX, .secret = {}});
  victim.channel->put(beyond);
  expect_end(EACCES);
  EXPECT_EQ(beyond.told, EACCES);
}

TEST_F(ShmHostileTest, RevokeWaitsForAMarkAndEndsWhoKeepsIt) {
  std::vector<std::byte> memory(4096);
  auto hostile = meet();
  Window window = exposed(*endpoint, {memory, Access::kWrite, nullptr, nullptr});
  WindowKey key{};
  std::memcpy(&key, window.key.data(), sizeof key);
  std::atomic<bool> cleared = false;
  hostile->header().marks[3].store(static_cast<std::uint32_t>(key.index + 1));
  std::jthread copier([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the length of a copy, not a wait for an event
    cleared = true;
    hostile->header().marks[3].store(0);
  });
  endpoint->revoke(window);
  EXPECT_TRUE(cleared);
  EXPECT_EQ(victim.closed, 0);
  copier.join();

  window = exposed(*endpoint, {memory, Access::kWrite, nullptr, nullptr});
  std::memcpy(&key, window.key.data(), sizeof key);
  hostile->header().marks[15].store(static_cast<std::uint32_t>(key.index + 2));  // another window: nobody waits
  const std::int64_t begin = system_clock().monotonic_ns();
  endpoint->revoke(window);
  EXPECT_LT(system_clock().monotonic_ns() - begin, ShmChannel::kSettleNs / 2);
  window = exposed(*endpoint, {memory, Access::kWrite, nullptr, nullptr});
  std::memcpy(&key, window.key.data(), sizeof key);
  hostile->header().marks[15].store(static_cast<std::uint32_t>(key.index + 1));
  endpoint->revoke(window);
  expect_end(ETIMEDOUT);
}

TEST_F(ShmHostileTest, ARingFullOfRequestsIsBounded) {
  std::vector<std::byte> memory(1 << 20);
  const auto hostile = meet();
  const Window window = exposed(*endpoint, {memory, Access::kRead, nullptr, nullptr});
  TransferHead head{.size_bytes = memory.size()};
  std::memcpy(&head.key, window.key.data(), sizeof head.key);
  for (std::size_t i = 0; i < Transfers::kRepliesMax + 1; ++i) {
    hostile->write({.kind = Kind::kGet, .head_bytes = sizeof head}, std::as_bytes(std::span(&head, 1)));
  }
  expect_end(EPROTO);
  endpoint->revoke(window);
}

}  // namespace
}  // namespace ross::fabric::shm
