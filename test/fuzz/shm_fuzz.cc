// Goal: nothing that a peer writes into the ring, the words beside it or the socket makes a channel of shared memory crash, write
// where no window and no receiver let it, or end without telling.
// Method: a peer made by hand greets an endpoint, and writes the input into the ring in pieces, as records or as what only looks
// like some. "KEYw" and "KEYr" with 20 bytes more stand for the keys, which no input can know. A put, a get and a message of
// our own wait for it. Windows are out of the peer's reach (direct is off), so that all of it goes through the ring.

#include <stdlib.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/machine.h"
#include "fabric/shm/channel.h"
#include "fabric/shm/domain.h"
#include "fabric/shm/passing.h"
#include "hostile_channel.h"

namespace ross::fabric::shm {
namespace {

const std::size_t kRing = std::max(kRingBytesMin, page_bytes());
constexpr int kPollsMax = 64;  // for what one piece holds

// The input: in pieces of how many times 16 bytes it comes (0: at once), what else is done, then what goes into the ring.
enum Doing : std::uint8_t {
  kPuts = 1,           // we ask for a put, so that confirmations are waited for
  kGets = 2,           // and for a get, so that data is
  kSends = 4,          // and send, so that the peer's ring is written to
  kOddTail = 8,        // the peer publishes a position that no record has
  kWrongHead = 16,     // and claims to have read what was not written
  kFloodsSocket = 32,  // the input goes to the socket, too
};

struct Accepting final : Acceptor {
  std::unique_ptr<Channel> channel;
  void on_channel(std::unique_ptr<Channel> accepted) override { channel = std::move(accepted); }
};

struct Letter : Outgoing {
  std::vector<std::byte> bytes = std::vector<std::byte>(4096);
  int told = 0;
  Letter() {
    head.resize(8);
    payload = memory::Memory(bytes.data(), bytes.size());
    sent = [](Outgoing& self, bool) { ++static_cast<Letter&>(self).told; };
  }
};

// What stays from input to input.
struct House {
  std::string folder = "/tmp/ross-shm-fuzz-XXXXXX";
  std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create({.spin_ns = 0});
  std::unique_ptr<Domain> domain = *make_domain({.ring_bytes = kRing, .direct = false});
  Accepting accepting;
  std::unique_ptr<Endpoint> endpoint;
  SharedMemory peers_inbox = *SharedMemory::create(kInboxHeaderBytes + kRing, SharedMemory::Shape::kRing);
  House() {
    log().set_level(spdlog::level::off);
    ROSS_CHECK(::mkdtemp(folder.data()) != nullptr);
    endpoint = *domain->open(*loop, {.limits = kLimits, .listen = folder + "/meet", .acceptor = &accepting});
  }
  ~House() {
    endpoint.reset();
    std::filesystem::remove_all(folder);
  }
  template <class Done>
  void drive(Done&& done, const char* what) {
    for (int i = 0; i < 10'000 && !done(); ++i) loop->wait(loop->clock().monotonic_ns() + 100'000);
    ROSS_CHECK(done(), what);
  }
};

// The peer's end.
struct ByHand {
  Socket socket;
  SharedMemory ring;  // the victim's inbox
  std::uint64_t tail = 0;

  explicit ByHand(House& house) : socket(*start_connect_to(house.folder + "/meet")) {
    std::memset(house.peers_inbox.data(), 0, kInboxHeaderBytes);
    const Hello hello{.magic = kMagic, .version = kVersion, .flags = 0, .ring_bytes = kRing, .link = 1};
    const int inbox = house.peers_inbox.fd();
    ROSS_CHECK(pass(socket.fd(), std::as_bytes(std::span(&hello, 1)), {&inbox, 1}).ok());
    house.drive([&] { return house.accepting.channel != nullptr; }, "a good greeting was refused");
    Hello theirs{};
    std::vector<Descriptor> passed;
    ROSS_CHECK(receive_passed(socket.fd(), std::as_writable_bytes(std::span(&theirs, 1)), passed).has_value() &&
               passed.size() == 1);
    ring = *SharedMemory::adopt(std::move(passed[0]), {.shape = SharedMemory::Shape::kRing, .writable = true});
  }
  [[nodiscard]] InboxHeader& header() const { return *reinterpret_cast<InboxHeader*>(ring.data()); }
  void write(std::span<const std::byte> bytes) {
    std::ranges::copy(bytes, ring.data() + kInboxHeaderBytes + tail % kRing);  // which is mapped twice in a row
    tail += record_pad(bytes.size());
    header().tail.store(tail);
  }
};

void run(std::span<const std::uint8_t> input) {
  static House house;
  const std::size_t piece_bytes = !input.empty() && input[0] > 0 ? input[0] * kRecordAlign : kRing / 2;
  const std::uint8_t doing = input.size() > 1 ? input[1] : 0;
  std::vector<std::byte> bytes(input.size() > 2 ? input.size() - 2 : 0);
  if (!bytes.empty()) std::memcpy(bytes.data(), input.data() + 2, bytes.size());

  ByHand peer(house);
  const std::unique_ptr<Channel> channel = std::move(house.accepting.channel);
  Guarded write;
  Guarded read;
  Guarded into;
  const Window writable = *house.endpoint->expose({.memory = write.span(), .access = Access::kWrite});
  const Window readable = *house.endpoint->expose({.memory = read.span(), .access = Access::kRead});
  put_key(bytes, "KEYw", std::as_bytes(std::span(writable.key)));
  put_key(bytes, "KEYr", std::as_bytes(std::span(readable.key)));
  Peerless receiver;
  channel->start(receiver);
  const WindowKey key{.index = 3, .secret = {1, 2}};
  const Window theirs{.size_bytes = Guarded::kBytes,
                      .key = std::string(reinterpret_cast<const char*>(&key), sizeof key)};
  Asked put;
  Asked get;
  Letter letter;
  for (Asked* const asked : {&put, &get}) {
    asked->local = memory::Memory(into.span());
    asked->window = &theirs;
  }
  if ((doing & kPuts) != 0) channel->put(put);
  if ((doing & kGets) != 0) channel->get(get);
  if ((doing & kSends) != 0) channel->send(letter);
  house.loop->poll();
  for (std::span<const std::byte> left(bytes); !left.empty() && !receiver.closed;) {
    const std::span piece = left.first(std::min(piece_bytes, left.size()));
    left = left.subspan(piece.size());
    peer.write(piece);
    if ((doing & kFloodsSocket) != 0) static_cast<void>(pass(peer.socket.fd(), piece, {}));
    for (int i = 0; i < kPollsMax && house.loop->poll() > 0; ++i) continue;
  }
  if ((doing & kOddTail) != 0) peer.header().tail.store(peer.tail + 8);
  if ((doing & kWrongHead) != 0) {
    reinterpret_cast<InboxHeader*>(house.peers_inbox.data())->head.store(peer.tail + kRecordAlign * 1000);
  }
  house.loop->poll();
  ::shutdown(peer.socket.fd(), SHUT_RDWR);
  house.drive([&] { return receiver.closed; }, "a channel did not end with its peer");
  ROSS_CHECK(put.told == (doing & kPuts) / kPuts && get.told == (doing & kGets) / kGets &&
             letter.told == (doing & kSends) / kSends);
  ROSS_CHECK(write.whole() && read.whole() && into.whole());
  house.endpoint->revoke(writable);
  house.endpoint->revoke(readable);
}

}  // namespace
}  // namespace ross::fabric::shm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ross::fabric::shm::run({data, size});
  return 0;
}
