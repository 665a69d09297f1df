// Goal: no first bytes of a peer, and no descriptors with them, make a stream or a connection of shared memory crash, wait for
// what was refused, or begin with what it cannot have.
// Method: the input comes over a socket pair in pieces to a greeting of either kind. What is accepted is checked, and the memory
// that was passed is touched at both its ends.

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/log.h"
#include "fabric/shm/greeting.h"
#include "fabric/shm/passing.h"
#include "fabric/shm/window_table.h"
#include "fabric/stream/greeting.h"

namespace ross::fabric {
namespace {

// What the first byte of an input says: bits for descriptors that come with the first piece, then the bytes in a piece.
enum Passing : std::uint8_t { kInbox = 1, kTable = 2, kDevice = 4, kPassing = 7 };
constexpr int kPieceShift = 3;
constexpr std::size_t kRing = shm::kRingBytesMin;

std::pair<Socket, Socket> socket_pair() {
  int fds[2];
  ROSS_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  return {Socket(fds[0]), Socket(fds[1])};
}

struct Input {
  std::uint8_t passing = 0;
  std::span<const std::byte> bytes;
  std::size_t piece_bytes = SIZE_MAX;
  explicit Input(std::span<const std::byte> all) {
    if (all.empty()) return;
    const auto first = static_cast<std::uint8_t>(all.front());
    passing = first & kPassing;
    bytes = all.subspan(1);
    if (first >> kPieceShift != 0) piece_bytes = first >> kPieceShift;
  }
  // Calls send(piece) until it says false.
  template <class Send>
  void in_pieces(Send&& send) const {
    for (auto left = bytes; !left.empty();) {
      const auto piece = left.first(std::min(piece_bytes, left.size()));
      left = left.subspan(piece.size());
      if (!send(piece)) return;
    }
  }
};

// ---- streams ----

struct NoFamily final : stream::Family {
  Result<Listening> listen(const std::string&) const override { return fail(ENOTSUP); }
  Result<std::unique_ptr<stream::Dialer>> dial(std::string_view) const override { return fail(ENOTSUP); }
  void tune(int) const override {}
  Result<fabric::Peer> peer(int) const override { return fail(ENOTSUP); }
  std::string name(int) const override { return "fuzz"; }
};

struct Hearing final : stream::Greeting::Owner {
  std::unique_ptr<stream::Greeting> greeting;
  Result<stream::Preamble> heard = fail(EAGAIN);
  void greeted(stream::Greeting&, Result<stream::Preamble> preamble) override {
    heard = std::move(preamble);
    greeting.reset();
  }
};

void greet_stream(const Input& input) {
  static const std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create({.spin_ns = 0});
  static const std::shared_ptr<stream::SocketSet> set = *stream::SocketSet::create(*loop);
  static const NoFamily family;
  static constexpr ChannelLimits kLimits{.head_bytes_max = 256, .payload_bytes_max = 4096};
  auto [ours, theirs] = socket_pair();
  Hearing hearing;
  hearing.greeting = std::make_unique<stream::Greeting>(hearing, *set, family, kLimits);
  hearing.greeting->hear(std::move(ours), INT64_MAX);
  input.in_pieces([&](std::span<const std::byte> piece) {
    static_cast<void>(::send(theirs.fd(), piece.data(), piece.size(), MSG_NOSIGNAL));
    loop->poll();
    return hearing.greeting != nullptr;
  });
  ::shutdown(theirs.fd(), SHUT_RDWR);
  for (int i = 0; i < 1000 && hearing.greeting != nullptr; ++i) loop->poll();
  ROSS_CHECK(hearing.greeting == nullptr, "a greeting did not end with its peer");
  if (!hearing.heard.has_value()) {
    ROSS_CHECK(!hearing.heard.error().message().empty());
    return;
  }
  const stream::Preamble& heard = *hearing.heard;
  ROSS_CHECK(input.bytes.size() >= sizeof heard && std::memcmp(input.bytes.data(), &heard, sizeof heard) == 0);
  ROSS_CHECK(heard.magic == stream::kMagic && heard.version == stream::kVersion && heard.error == 0 &&
             heard.gets_max > 0);
}

// ---- shared memory ----

void greet_shm(const Input& input) {
  static const auto inbox = *shm::SharedMemory::create(shm::kInboxHeaderBytes + kRing, shm::SharedMemory::Shape::kRing);
  static const auto table = *shm::SharedMemory::create(shm::kTableBytes, shm::SharedMemory::Shape::kPlain);
  static const Socket device(::open("/dev/null", O_RDWR | O_CLOEXEC));
  static const std::array<std::byte, 16> probe{};
  std::vector<int> descriptors;
  if ((input.passing & kInbox) != 0) descriptors.push_back(inbox.fd());
  if ((input.passing & kTable) != 0) descriptors.push_back(table.fd());
  if ((input.passing & kDevice) != 0) descriptors.push_back(device.fd());
  if (descriptors.size() > shm::kPassedMax) descriptors.erase(descriptors.begin());
  auto [ours, theirs] = socket_pair();
  auto greeting = *shm::Greeting::begin(
      std::move(ours), {.ring_bytes = kRing, .direct = true, .table_fd = table.fd(), .number = 1, .probe = &probe});
  Result<bool> whole = false;
  input.in_pieces([&](std::span<const std::byte> piece) {
    static_cast<void>(shm::pass(theirs.fd(), piece, std::exchange(descriptors, {})));
    whole = greeting->advance();
    return whole.has_value() && !*whole;
  });
  if (!whole.has_value()) {
    ROSS_CHECK(!whole.error().message().empty());
    return;
  }
  if (!*whole) return;
  const shm::Link link = greeting->take();
  ROSS_CHECK(link.theirs.magic == shm::kMagic && link.theirs.version == shm::kVersion);
  ROSS_CHECK(std::has_single_bit(link.theirs.ring_bytes) && link.outbox.size_bytes() >= link.theirs.ring_bytes);
  link.outbox.data()[0] = std::byte{1};
  link.outbox.data()[shm::kInboxHeaderBytes + 2 * link.theirs.ring_bytes - 1] = std::byte{1};
  ROSS_CHECK(!link.table || link.table.size_bytes() == shm::kTableBytes);
}

}  // namespace
}  // namespace ross::fabric

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ross::log().set_level(spdlog::level::off);
  const ross::fabric::Input input({reinterpret_cast<const std::byte*>(data), size});
  ross::fabric::greet_stream(input);
  ross::fabric::greet_shm(input);
  return 0;
}
