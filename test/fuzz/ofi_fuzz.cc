// Goal: no bytes that a peer sends over libfabric make an endpoint or its channels crash, write where no receiver let them, wait for ever,
// or end without telling; and no text is taken for an address or a key that it is not.
// Method: an endpoint over a libfabric by hand. The input says how it is set up, and then step by step what arrives, how the provider
// behaves, how time goes by and what we do meanwhile. "SECRET" with two bytes more stands for the secret of the channel in the same
// header, "RKEYwwww" and "RKEYrrrr" for the keys of two windows: no input can know them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "fabric/ofi/ofi.h"
#include "fabric/ofi/provider.h"
#include "fabric/ofi/wire.h"
#include "hostile_lines.h"
#include "hostile_steps.h"
#include "libfabric_by_hand.h"

namespace ross::fabric::ofi {
namespace {

// The first byte of an input.
enum Setting : std::uint8_t {
  kDemanding = 1,  // a provider that wants everything registered, a buffer for each message
  kDials = 2,      // we connect, too
  kPuts = 4,       // the first channel puts, gets, sends
  kGets = 8,
  kSends = 16,
  kQuietCut = 32,       // what ends with its connection is not told
  kDropsSecond = 64,    // the second channel is destroyed instead of started
  kRevokesInside = 128  // the window that may be written is revoked as a message begins
};

// What a step does.
enum Doing : std::uint8_t {
  kDelivers,        // its bytes arrive
  kDeliversBehind,  // and are looked at with what comes next
  kHolds,           // what is sent or put from here on takes its time
  kReleases,        // and is done
  kFails,           // or fails
  kFull,            // nothing can be sent, or can again
  kRevokes,         // the window that may be written is revoked
  kCloses,          // we close the newest channel
  kPasses,          // some time passes
  kPassesLong,      // so much that all patience ends
  kSendsAnother,    // a message more
  kDoings
};

constexpr std::int64_t kSomeNs = 30'000'000;
constexpr std::int64_t kLongNs = 2'100'000'000;
constexpr std::int64_t kDialNs = 4'000'000'000;
constexpr int kEndingPolls = 400;

// A window of the peer's, as it might have told us of it.
std::string their_key(Access access) {
  return encode({.access = static_cast<std::uint8_t>(access), .id = 9, .rkey = 77, .size_bytes = Guarded::kBytes});
}

class Run {
 public:
  explicit Run(std::uint8_t setting) : setting_(setting) {
    loop_ = *runtime::Loop::create({.clock = &clock_, .spin_ns = 0});
    endpoint_ = *domain().open(*loop_, {.limits = kLimits, .listen = "127.0.0.1:7471", .acceptor = &lines_});
    network_ = NetworkByHand::newest();
    network_->tells_of_cut = (setting & kQuietCut) == 0;
    if ((setting & kRevokesInside) != 0) lines_.meanwhile = [this] { revoke(); };
    lines_.drops_second = (setting & kDropsSecond) != 0;
    writable_ = *endpoint_->expose({.memory = write_.span(), .access = Access::kWrite});
    readable_ = *endpoint_->expose({.memory = read_.span(), .access = Access::kRead});
    if ((setting & kDials) != 0) endpoint_->connect("127.0.0.1:7472", lines_, clock_.monotonic_ns() + kDialNs);
    poll();
  }

  void take(const Step& step) {
    switch (step.doing % kDoings) {
      case kDelivers:
      case kDeliversBehind:
        deliver(step.bytes);
        if (step.doing % kDoings == kDeliversBehind) return;
        break;
      case kHolds:
        network_->holds = true;
        break;
      case kReleases:
      case kFails:
        network_->holds = false;
        network_->release(step.doing % kDoings == kFails ? FI_EIO : 0);
        break;
      case kFull:
        network_->full = !network_->full;
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
    }
    poll();
  }

  // Everything ends in bounded time, and is told.
  void end() {
    network_->full = network_->holds = false;
    network_->release();
    const auto over = [&] { return lines_.closed() && lines_.dials_told == (setting_ & kDials) / kDials; };
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
    for (int i = 0; i < 2; ++i) {  // last words leave
      clock_.advance(kSomeNs);
      poll();
    }
    asks_.check();
    ROSS_CHECK(write_.whole() && read_.whole());
    revoke();
    endpoint_->revoke(readable_);
  }

 private:
  void revoke() {
    if (std::exchange(exposed_, false)) endpoint_->revoke(writable_);
  }

  Domain& domain() const {
    static const std::array domains = {*make_domain({.provider = "ofi+tcp"}), *make_domain({.provider = "ofi+verbs"})};
    return *domains[(setting_ & kDemanding) != 0 ? 1 : 0];
  }

  void deliver(std::span<const std::byte> bytes) {
    std::vector<std::byte> message(bytes.begin(), bytes.end());
    const auto put = [&](const Window& window, std::string_view stand_in) {
      const std::uint64_t rkey = decode_key(window.key)->rkey;
      put_key(message, stand_in, std::as_bytes(std::span(&rkey, 1)));
    };
    put(writable_, "RKEYwwww");
    put(readable_, "RKEYrrrr");
    constexpr std::string_view kSecret = "SECRET";
    PieceHeader header;
    if (message.size() >= sizeof header) {
      std::memcpy(&header, message.data(), sizeof header);
      const auto known = secrets_.find(header.channel);
      if (known != secrets_.end() && std::memcmp(&header.secret, kSecret.data(), kSecret.size()) == 0) {
        header.secret = known->second;
        std::memcpy(message.data(), &header, sizeof header);
      }
    }
    network_->deliver(message);
  }

  void poll() {
    for (int i = 0; i < 3; ++i) loop_->poll();
    for (const auto& sent : network_->take_sent()) {
      std::span<const std::byte> body(sent);
      const auto header = take_header(body);
      ROSS_CHECK(header.has_value(), "an endpoint sent what is no piece");
      if (header->kind != PieceKind::kHello && header->kind != PieceKind::kWelcome) continue;
      const auto own = ofi::take<Introduction>(body);
      ROSS_CHECK(own.has_value());
      secrets_[own->channel] = own->secret;
    }
    begin();
  }

  // What the first channel does by itself.
  void begin() {
    if (begun_ || lines_.all.empty() || lines_.all.front()->receiver.closed) return;
    begun_ = true;
    Channel& channel = *lines_.all.front()->channel;
    if ((setting_ & kPuts) != 0) asks_.put(channel);
    if ((setting_ & kGets) != 0) asks_.get(channel);
    if ((setting_ & kSends) != 0) asks_.send(channel);
    for (int i = 0; i < 2; ++i) loop_->poll();
  }

  const std::uint8_t setting_;
  SimClock clock_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<Endpoint> endpoint_;
  Lines lines_;
  NetworkByHand* network_ = nullptr;
  Guarded write_;
  Guarded read_;
  Window writable_;
  Window readable_;
  bool exposed_ = true;
  bool begun_ = false;
  Asks asks_{their_key(Access::kWrite), their_key(Access::kRead)};
  std::unordered_map<std::uint32_t, std::uint64_t> secrets_;  // of our channels
};

void check_texts(std::string_view text) {
  if (const auto key = decode_key(text); key.has_value()) ROSS_CHECK(encode(*key) == text);
  for (const std::uint32_t format : {std::uint32_t{FI_SOCKADDR_IN}, std::uint32_t{FI_SOCKADDR_IN6},
                                     std::uint32_t{FI_ADDR_STR}, std::uint32_t{FI_SOCKADDR}}) {
    if (const auto printed = print_address(format, text); printed.has_value()) {
      ROSS_CHECK(*print_address(format, *parse_address(format, *printed)) == *printed);
    }
    if (const auto raw = parse_address(format, text); raw.has_value()) {
      ROSS_CHECK(format != FI_ADDR_STR || *raw == std::string(text) + '\0');
    }
  }
}

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
  ofi::check_texts({reinterpret_cast<const char*>(data), size});
  return play(data, size, [](std::uint8_t setting) { return ofi::Run(setting); });
}
