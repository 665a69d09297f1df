// Goal: no bytes that a peer sends over UCX, or says at the socket where processes of one machine meet, make an endpoint or its links
// crash, write where no window and no receiver let them, wait for ever, keep UCX's memory, or end without telling.
// Method: an endpoint over a UCX by hand. The input says how it is set up, and then step by step what arrives, how UCX behaves, how
// time goes by and what we do meanwhile. "LINK" with four bytes more stands for the name of one of our links (the fifth says which),
// "KEYw" and "KEYr" with twelve for the keys of two windows: no input can know them.

#include <stdlib.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
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
#include "fabric/ucx/domain.h"
#include "fabric/ucx/wire.h"
#include "hostile_lines.h"
#include "hostile_steps.h"
#include "ucx_by_hand.h"

namespace ross::fabric::ucx {
namespace {

// The first byte of an input.
enum Setting : std::uint8_t {
  kLocal = 1,  // shared memory, whose ends meet at a socket; else by socket address
  kDials = 2,  // we connect, too
  kPuts = 4,   // the first channel puts, gets, sends
  kGets = 8,
  kSends = 16,
  kKeeps = 32,          // UCX lets us keep what arrives
  kDropsSecond = 64,    // the second channel is destroyed instead of started
  kRevokesInside = 128  // the window that may be written is revoked as a message begins
};

// What a step does.
enum Doing : std::uint8_t {
  kArrives,        // a message: a byte of How, then the header and the data
  kArrivesBehind,  // and is looked at with what comes next
  kConnects,       // somebody connects
  kSays,           // and says something at the socket
  kSaysSlowly,     // byte by byte
  kLeaves,         // and breaks it
  kBreaks,         // UCX reports that the newest connection is broken
  kHolds,          // what is sent or landed from here on takes its time
  kReleases,       // and is done
  kFails,          // or fails
  kRefuses,        // nothing can be begun, or can again
  kRevokes,        // the window that may be written is revoked
  kCloses,         // we close the newest channel
  kPasses,         // some time passes
  kPassesLong,     // so much that all patience ends
  kSendsAnother,   // a message more
  kDialsThere,     // we connect to an address that a peer told us
  kDoings
};
enum How : std::uint8_t {
  kBulk = 1,        // the data comes when we ask for it, as much as the header says
  kOtherSize = 2,   // or more
  kShortHeader = 4  // all of it is data
};

constexpr std::int64_t kSomeNs = 30'000'000;
constexpr std::int64_t kLongNs = 11'000'000'000;
constexpr std::int64_t kDialNs = 4'000'000'000;
constexpr int kEndingPolls = 400;
constexpr std::size_t kConnectsMax = 8;
constexpr std::size_t kReadBytes = 40'000;  // more than is copied into a frame

// What stays from input to input.
struct House {
  std::string folder = "/tmp/ross-ucx-fuzz-XXXXXX";
  std::array<std::unique_ptr<Domain>, 2> domains = {*make_domain({.transport = "ucx+tcp"}),
                                                    *make_domain({.transport = "ucx+shm"})};
  House() { ROSS_CHECK(::mkdtemp(folder.data()) != nullptr); }
  ~House() { std::filesystem::remove_all(folder); }
};

class Run {
 public:
  Run(const House& house, std::uint8_t setting) : setting_(setting), local_((setting & kLocal) != 0) {
    loop_ = *runtime::Loop::create({.clock = &clock_, .spin_ns = 0});
    ours_ = local_ ? house.folder + "/ours" : "127.0.0.1:7471";
    endpoint_ = *house.domains[local_ ? 1 : 0]->open(*loop_, {.limits = kLimits, .listen = ours_, .acceptor = &lines_});
    if ((setting & kRevokesInside) != 0) lines_.meanwhile = [this] { revoke(); };
    lines_.drops_second = (setting & kDropsSecond) != 0;
    writable_ = *endpoint_->expose({.memory = write_.span(), .access = Access::kWrite});
    readable_ = *endpoint_->expose({.memory = read_, .access = Access::kRead});
    if ((setting & kDials) != 0) dial(local_ ? house.folder + "/theirs" : "127.0.0.1:7472");
    poll();
  }

  void take(const Step& step) {
    WorkerByHand* const worker = WorkerByHand::newest();
    switch (step.doing % kDoings) {
      case kArrives:
      case kArrivesBehind:
        if (worker != nullptr && !step.bytes.empty()) deliver(*worker, step.bytes);
        if (step.doing % kDoings == kArrivesBehind) return;
        break;
      case kConnects:
        if (++connects_ > kConnectsMax) return;
        if (local_) {
          peer_ = *start_connect_to(ours_);
        } else {
          WorkerByHand::ask();
        }
        break;
      case kSays:
        say(step.bytes);
        break;
      case kSaysSlowly:
        for (std::size_t i = 0; i < step.bytes.size(); ++i) {
          say(step.bytes.subspan(i, 1));
          poll();
        }
        break;
      case kLeaves:
        peer_ = Socket();
        break;
      case kBreaks:
        if (worker != nullptr) worker->fail_newest(UCS_ERR_CONNECTION_RESET);
        break;
      case kHolds:
        if (worker != nullptr) worker->holds = !worker->holds;
        break;
      case kReleases:
      case kFails:
        if (worker != nullptr) worker->release(step.doing % kDoings == kFails ? UCS_ERR_IO_ERROR : UCS_OK);
        break;
      case kRefuses:
        if (worker != nullptr) worker->refuses = !worker->refuses;
        break;
      case kRevokes:
        revoke();
        break;
      case kCloses:
        if (!lines_.all.empty()) lines_.all.back()->channel->close();
        break;
      case kPasses:
        clock_.advance(kSomeNs);
        break;
      case kPassesLong:
        clock_.advance(kLongNs);
        break;
      case kSendsAnother:
        if (begun_ && !lines_.all.front()->receiver.closed) asks_.send(*lines_.all.front()->channel);
        break;
      case kDialsThere:
        if (local_ || ++connects_ > kConnectsMax) return;
        dial({reinterpret_cast<const char*>(step.bytes.data()), step.bytes.size()});
        break;
    }
    poll();
  }

  // Everything ends in bounded time, and is told.
  void end() {
    const auto over = [&] { return lines_.closed() && lines_.dials_told == dials_; };
    for (int i = 0; i < kEndingPolls && !over(); ++i) {
      // Also those that came just now.
      for (const auto& line : lines_.all) {
        if (!line->receiver.closed) line->channel->close();
      }
      clock_.advance(kSomeNs);
      poll();
    }
    ROSS_CHECK(over(), "a channel or a connection that was begun did not end");
    lines_.all.clear();
    poll();
    asks_.check();
    ROSS_CHECK(write_.whole());
    revoke();
    endpoint_->revoke(readable_);
  }

 private:
  void revoke() {
    if (std::exchange(exposed_, false)) endpoint_->revoke(writable_);
  }

  void dial(const std::string& theirs) {
    const std::int64_t deadline_ns = clock_.monotonic_ns() + kDialNs;
    ++dials_;
    if (!local_) return endpoint_->connect(theirs, lines_, deadline_ns);
    Listener listener;
    ROSS_CHECK(listener.open(theirs).ok());
    endpoint_->connect(theirs, lines_, deadline_ns);
    peer_ = Socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  }

  void say(std::span<const std::byte> bytes) const {
    if (peer_) static_cast<void>(::send(peer_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }

  void deliver(WorkerByHand& worker, std::span<const std::byte> bytes) const {
    const auto how = static_cast<std::uint8_t>(bytes[0]);
    std::vector<std::byte> message(bytes.begin() + 1, bytes.end());
    put_key(message, "KEYw", std::as_bytes(std::span(writable_.key)));
    put_key(message, "KEYr", std::as_bytes(std::span(readable_.key)));
    constexpr std::string_view kLink = "LINK";
    if (!links_.empty() && message.size() > sizeof(std::uint64_t) &&
        std::memcmp(message.data(), kLink.data(), kLink.size()) == 0) {
      const std::uint64_t name = links_[static_cast<std::size_t>(message[kLink.size()]) % links_.size()];
      std::memcpy(message.data(), &name, sizeof name);
    }
    WorkerByHand::Arrival arrival;
    arrival.kept = (setting_ & kKeeps) != 0;
    arrival.reply = worker.newest_point();
    arrival.bulk = (how & kBulk) != 0;
    if (arrival.bulk) {
      if (message.size() >= sizeof(FrameHeader) + sizeof(ItemHeader)) {
        arrival.bulk_bytes = load<ItemHeader>(message.data() + sizeof(FrameHeader)).payload_bytes;
      }
      if ((how & kOtherSize) != 0) ++arrival.bulk_bytes;
      arrival.header = std::move(message);
    } else {
      const std::size_t header_bytes = (how & kShortHeader) != 0 ? 0 : std::min(message.size(), sizeof(FrameHeader));
      arrival.data.assign(message.begin() + static_cast<std::ptrdiff_t>(header_bytes), message.end());
      message.resize(header_bytes);
      arrival.header = std::move(message);
    }
    worker.deliver(std::move(arrival));
  }

  void poll() {
    for (int i = 0; i < 3; ++i) {
      clock_.advance(1'000'000);  // so that it looks at its sockets
      loop_->poll();
    }
    learn();
    if (begun_ || lines_.all.empty() || lines_.all.front()->receiver.closed) return;
    begun_ = true;
    Channel& channel = *lines_.all.front()->channel;
    if ((setting_ & kPuts) != 0) asks_.put(channel);
    if ((setting_ & kGets) != 0) asks_.get(channel);
    if ((setting_ & kSends) != 0) asks_.send(channel);
    loop_->poll();
  }

  // The names of our links, from what we say of them.
  void learn() {
    const auto is_new = [&](std::uint64_t name) { return std::ranges::find(links_, name) == links_.end(); };
    const auto hear = [&](const Hello& hello) {
      if (hello.magic == kMagic && is_new(hello.channel)) links_.push_back(hello.channel);
    };
    std::byte said[4096];
    const ssize_t got = peer_ ? ::recv(peer_.fd(), said, sizeof said, MSG_DONTWAIT) : 0;
    if (got >= static_cast<ssize_t>(sizeof(Hello))) hear(load<Hello>(said));
    WorkerByHand* const worker = WorkerByHand::newest();
    if (worker == nullptr) return;
    for (const auto& sent : worker->take_sent()) {
      ROSS_CHECK(sent.header.size() >= sizeof(FrameHeader), "a frame without a header was sent");
      const Frame frame = load<FrameHeader>(sent.header.data()).frame;
      if (frame != Frame::kHello && frame != Frame::kWelcome) continue;
      ROSS_CHECK(sent.data.size() == sizeof(Hello));
      hear(load<Hello>(sent.data.data()));
    }
  }

  const std::uint8_t setting_;
  const bool local_;
  SimClock clock_;
  std::unique_ptr<runtime::Loop> loop_;
  std::string ours_;
  Guarded write_;
  std::vector<std::byte> read_ = std::vector<std::byte>(kReadBytes);
  Lines lines_;
  std::unique_ptr<Endpoint> endpoint_;
  Window writable_;
  Window readable_;
  Socket peer_;
  std::size_t connects_ = 0;
  int dials_ = 0;
  bool exposed_ = true;
  bool begun_ = false;
  std::vector<std::uint64_t> links_;
  Asks asks_{std::string(sizeof(Key), 'w'), std::string(sizeof(Key), 'r')};
};

}  // namespace
}  // namespace ross::fabric::ucx

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ross::fabric;
  static const bool once = [] {
    ross::log().set_level(spdlog::level::off);
    ucx::take_ucxs_place();
    return true;
  }();
  static_cast<void>(once);
  static const ucx::House house;
  return play(data, size, [](std::uint8_t setting) { return ucx::Run(house, setting); });
}
