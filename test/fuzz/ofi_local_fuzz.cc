// Goal: nothing that a process of this machine does at the socket, in the page that it shares with us, or through libfabric's shared
// memory, makes an endpoint crash, wait for ever, write where no receiver let it, or end without telling.
// Method: an endpoint over a libfabric by hand, and a peer by hand at its socket: who connects, or who was connected to. The input
// says step by step what the peer says at the socket, writes into the page, and sends; and how time goes by. "PID!" stands for its
// process number, "PROBE@@@" and "PROBE###" for where its probe is and what stands there, the rest as in ofi_fuzz.cc.

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "fabric/local/listener.h"
#include "fabric/ofi/local_endpoint.h"
#include "fabric/ofi/ofi.h"
#include "fabric/shm/passing.h"
#include "hostile_lines.h"
#include "hostile_steps.h"
#include "libfabric_by_hand.h"

namespace ross::fabric::ofi {
namespace {

// The first byte of an input.
enum Setting : std::uint8_t {
  kDials = 1,  // we connect to the peer
  kPuts = 2,   // the channel puts, gets, sends
  kGets = 4,
  kSends = 8,
  kNoPage = 16,     // a peer that connects passes nothing
  kOtherPage = 32,  // or memory of another size
  kTwoPages = 64,   // or more than that
};

// What a step does.
enum Doing : std::uint8_t {
  kSays,        // its bytes come over the socket
  kSaysSlowly,  // one by one
  kDelivers,    // come through the provider
  kScribbles,   // are written into the page, the first says where
  kTakesTurn,   // the peer has the turn, or has it no more
  kHolds,       // what is sent or put from here on takes its time
  kReleases,    // and is done
  kFails,       // or fails
  kFull,        // nothing can be sent, or can again
  kCloses,      // we close the channel
  kLeaves,      // the peer's process is gone
  kPasses,      // some time passes
  kPassesLong,  // so much that all patience ends
  kDoings
};

constexpr std::int64_t kSomeNs = 30'000'000;
constexpr std::int64_t kLongNs = 2'100'000'000;
constexpr std::int64_t kDialNs = 4'000'000'000;
constexpr int kEndingPolls = 400;
constexpr std::uint64_t kProbe = 0x0123'4567'89ab'cdef;

std::string their_key(Access access) {
  return encode({.access = static_cast<std::uint8_t>(access), .id = 9, .rkey = 77, .size_bytes = Guarded::kBytes});
}

// What stays from input to input.
struct House {
  std::string folder = "/tmp/ross-ofi-fuzz-XXXXXX";
  std::unique_ptr<Domain> domain = *make_domain({.provider = "ofi+shm"});
  std::uint64_t probe = kProbe;
  shm::SharedMemory other = *shm::SharedMemory::create(2 * PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
  House() { ROSS_CHECK(::mkdtemp(folder.data()) != nullptr); }
  ~House() { std::filesystem::remove_all(folder); }
};

class Run {
 public:
  Run(House& house, std::uint8_t setting) : house_(house), setting_(setting) {
    loop_ = *runtime::Loop::create({.clock = &clock_, .spin_ns = 0});
    const std::string ours = house.folder + "/ours";
    endpoint_ = *house.domain->open(*loop_, {.limits = kLimits, .listen = ours, .acceptor = &lines_});
    writable_ = *endpoint_->expose({.memory = write_.span(), .access = Access::kWrite});
    readable_ = *endpoint_->expose({.memory = read_.span(), .access = Access::kRead});
    if ((setting & kDials) != 0) {
      const std::string theirs = house.folder + "/theirs";
      Listener listener;
      ROSS_CHECK(listener.open(theirs).ok());
      endpoint_->connect(theirs, lines_, clock_.monotonic_ns() + kDialNs);
      peer_ = Socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      hear();
    } else {
      page_ = *shm::SharedMemory::create(PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
      peer_ = *start_connect_to(ours);
    }
    poll();
  }

  void take(const Step& step) {
    NetworkByHand* const network = NetworkByHand::newest();
    switch (step.doing % kDoings) {
      case kSays:
        say(step.bytes);
        break;
      case kSaysSlowly:
        for (std::size_t i = 0; i < step.bytes.size(); ++i) {
          say(step.bytes.subspan(i, 1));
          poll();
        }
        break;
      case kDelivers:
        if (network != nullptr) deliver(*network, step.bytes);
        break;
      case kScribbles:
        scribble(step.bytes);
        break;
      case kTakesTurn:
        turn(step);
        break;
      case kHolds:
        if (network != nullptr) network->holds = true;
        break;
      case kReleases:
      case kFails:
        if (network != nullptr) network->release(step.doing % kDoings == kFails ? FI_EIO : 0);
        break;
      case kFull:
        if (network != nullptr) network->full = !network->full;
        break;
      case kCloses:
        if (!lines_.all.empty()) lines_.all.back()->channel->close();
        break;
      case kLeaves:
        peer_ = Socket();
        break;
      case kPasses:
        clock_.advance(kSomeNs);
        break;
      case kPassesLong:
        clock_.advance(kLongNs);
        break;
    }
    poll();
  }

  // Everything ends in bounded time once the peer has gone, and is told.
  void end() {
    peer_ = Socket();
    const auto over = [&] { return lines_.closed() && lines_.dials_told == (setting_ & kDials) / kDials; };
    for (int i = 0; i < kEndingPolls && !over(); ++i) {
      clock_.advance(kSomeNs);
      poll();
    }
    ROSS_CHECK(over(), "a channel or a connection that was begun did not end with its peer");
    lines_.all.clear();
    poll();
    asks_.check();
    ROSS_CHECK(write_.whole() && read_.whole());
    endpoint_->revoke(writable_);
    endpoint_->revoke(readable_);
  }

 private:
  void say(std::span<const std::byte> bytes) {
    if (!peer_ || bytes.empty()) return;
    std::vector<std::byte> said(bytes.begin(), bytes.end());
    const auto pid = static_cast<std::uint32_t>(::getpid());
    const auto probe = reinterpret_cast<std::uintptr_t>(&house_.probe);
    put_key(said, "PID!", std::as_bytes(std::span(&pid, 1)));
    put_key(said, "PROBE@@@", std::as_bytes(std::span(&probe, 1)));
    put_key(said, "PROBE###", std::as_bytes(std::span(&house_.probe, 1)));
    std::vector<int> passed;
    if ((setting_ & (kDials | kNoPage)) == 0 && !std::exchange(has_passed_, true)) {
      passed.push_back((setting_ & kOtherPage) != 0 ? house_.other.fd() : page_.fd());
      if ((setting_ & kTwoPages) != 0) passed.push_back(house_.other.fd());
    }
    static_cast<void>(shm::pass(peer_.fd(), said, passed));
  }

  // The page comes with our greeting.
  void hear() {
    std::byte bytes[2 * sizeof(PairGreeting)];
    std::vector<shm::Descriptor> passed;
    while (peer_) {
      const auto got = shm::receive_passed(peer_.fd(), bytes, passed);
      if (!got.has_value() || *got == 0) break;
    }
    if (passed.empty() || page_) return;
    page_ = *shm::SharedMemory::adopt(std::move(passed[0]), {.size_bytes = PairPage::kBytes, .writable = true});
  }

  void deliver(NetworkByHand& network, std::span<const std::byte> bytes) {
    std::vector<std::byte> message(bytes.begin(), bytes.end());
    const std::uint64_t write_key = decode_key(writable_.key)->rkey;
    const std::uint64_t read_key = decode_key(readable_.key)->rkey;
    put_key(message, "RKEYwwww", std::as_bytes(std::span(&write_key, 1)));
    put_key(message, "RKEYrrrr", std::as_bytes(std::span(&read_key, 1)));
    put_key(message, "SECRET", std::as_bytes(std::span(&secret_, 1)));
    network.deliver(message);
    work();
  }

  // As a peer does that has left something.
  void work() {
    if (!page_) return;
    for (PairPage::End& each : reinterpret_cast<PairPage*>(page_.data())->ends) each.work.store(1);
  }

  // Anything but the turn.
  void scribble(std::span<const std::byte> bytes) {
    if (!page_ || bytes.empty()) return;
    const std::size_t begin = sizeof(PairPage::turn) + static_cast<std::size_t>(bytes[0]) % sizeof(PairPage);
    const std::span into(page_.data(), PairPage::kBytes);
    std::ranges::copy(bytes.subspan(1).first(std::min(bytes.size() - 1, into.size() - begin)),
                      into.begin() + static_cast<std::ptrdiff_t>(begin));
  }

  // Not before there is a channel: who meets waits for its turn, by a clock that is real.
  void turn(const Step& step) const {
    if (!page_ || lines_.all.empty()) return;
    std::uint32_t whose = 0;
    std::memcpy(&whose, step.bytes.data(), std::min(sizeof whose, step.bytes.size()));
    reinterpret_cast<PairPage*>(page_.data())->turn.store(whose);
  }

  void poll() {
    for (int i = 0; i < 3; ++i) {
      static_cast<LocalEndpoint&>(*endpoint_).arm();  // so that it looks at its sockets
      loop_->poll();
    }
    hear();
    if (NetworkByHand* const network = NetworkByHand::newest(); network != nullptr) learn(*network);
    if (begun_ || lines_.all.empty() || lines_.all.front()->receiver.closed) return;
    begun_ = true;
    Channel& channel = *lines_.all.front()->channel;
    if ((setting_ & kPuts) != 0) asks_.put(channel);
    if ((setting_ & kGets) != 0) asks_.get(channel);
    if ((setting_ & kSends) != 0) asks_.send(channel);
    loop_->poll();
  }

  void learn(NetworkByHand& network) {
    for (const auto& sent : network.take_sent()) {
      std::span<const std::byte> body(sent);
      const auto header = take_header(body);
      ROSS_CHECK(header.has_value(), "an endpoint sent what is no piece");
      if (header->kind != PieceKind::kHello && header->kind != PieceKind::kWelcome) continue;
      secret_ = ofi::take<Introduction>(body).value().secret;
    }
  }

  House& house_;
  const std::uint8_t setting_;
  SimClock clock_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<Endpoint> endpoint_;
  Lines lines_;
  Guarded write_;
  Guarded read_;
  Window writable_;
  Window readable_;
  Socket peer_;
  shm::SharedMemory page_;
  bool has_passed_ = false;
  bool begun_ = false;
  std::uint64_t secret_ = 0;
  Asks asks_{their_key(Access::kWrite), their_key(Access::kRead)};
};

}  // namespace
}  // namespace ross::fabric::ofi

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ross::fabric;
  static const bool once = [] {
    ross::log().set_level(spdlog::level::off);
    ofi::take_libfabrics_place();
    return true;
  }();
  static_cast<void>(once);
  static ofi::House house;
  return play(data, size, [](std::uint8_t setting) { return ofi::Run(house, setting); });
}
