// OfiEndpoint's part about peers: meeting them, sending to them, breaking with them.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "fabric/ofi/channel.h"
#include "fabric/ofi/endpoint.h"

namespace ross::fabric::ofi {
namespace {

constexpr std::size_t kChannelsMax = 1024;
constexpr std::size_t kPeersMax = 2 * kChannelsMax;  // also those that are being refused, or told goodbye
constexpr std::size_t kPeersKept = 256;
constexpr std::size_t kSlotsKept = 32;  // for others than who is refused
// The providers do not tell that nobody listens at an address: they try again for ever. Who has taken nothing for so long is
// not there.
constexpr std::int64_t kNobodyNs = 3'000'000'000;
// A connection may have lost the other end without having said so, and swallow a greeting: who is not answered over an old one
// for so long greets over a new one.
constexpr std::int64_t kGreetAgainNs = 2'000'000'000;
constexpr int kDialTriesMax = 5;
constexpr std::int64_t kStalledMaxNs = 10'000'000'000;  // a peer known to be there takes nothing
constexpr std::int64_t kLastWordsNs = 1'000'000'000;    // to a peer without channels
constexpr std::int64_t kTryNs = 20'000;                 // between tries of a peer that is there
constexpr std::int64_t kTryUnknownNs = 1'000'000;       // and of one that may not be

}  // namespace

// ---- meeting ----

void OfiEndpoint::connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) {
  Dial dial;
  dial.connecting = &connecting;
  dial.deadline_ns = deadline_ns;
  auto raw = address.size() <= kAddressBytesMax ? parse_address(provider().info->addr_format, address)
                                                : fail(EINVAL, "an address of more bytes than any has");
  if (raw.has_value()) {
    dial.raw = *std::move(raw);
    dial.why = greet(dial);
  } else {
    dial.why = std::move(raw).error();
  }
  dials_.push_back(std::move(dial));
}

// Makes the dial's channel and sends its first piece.
Status OfiEndpoint::greet(Dial& dial) {
  ++dial.tries;
  dial.channel.reset();
  dial.greeted_ns = now();
  dial.by_old_connection = peers_.contains(dial.raw);
  auto peer = peer_at(dial.raw);
  if (!peer.has_value()) return std::move(peer).error();
  auto channel = make_channel(**peer);
  if (!channel.has_value()) return std::move(channel).error();
  Introduction own = (*channel)->introduction();
  own.address_bytes = static_cast<std::uint32_t>(raw_name_.size());
  std::byte body[sizeof own + kRawAddressBytesMax];
  std::memcpy(body, &own, sizeof own);
  std::memcpy(body + sizeof own, raw_name_.data(), raw_name_.size());
  if (!send_alone(**peer, PieceKind::kHello, 0, 0, std::span(body).first(sizeof own + raw_name_.size()))) {
    return Status(ENOBUFS, "no room to send a greeting");
  }
  dial.channel = *std::move(channel);
  return {};
}

std::size_t OfiEndpoint::run_dials() {
  const std::int64_t at = now();
  std::size_t count = 0;
  for (std::size_t left = dials_.size(); left > 0 && !dials_.empty(); --left) {
    Dial dial = std::move(dials_.front());
    dials_.pop_front();
    if (dial.waits_for_turn()) {
      dial.why =
          at < dial.deadline_ns ? greet(dial) : Status(ETIMEDOUT, "the other end is never done with the provider");
      if (dial.waits_for_turn()) {
        blocked_ = true;
        dials_.push_back(std::move(dial));
        continue;
      }
    }
    if (dial.channel != nullptr) {
      PeerNode& peer = *dial.channel->node();
      // Where others use it, they notice.
      const bool ours_alone = pair_ == nullptr && peer.channels == 1 && !peer.cut;
      if (ours_alone && dial.by_old_connection && at - dial.greeted_ns >= kGreetAgainNs && at < dial.deadline_ns) {
        cut(peer, Status(ETIMEDOUT, "a greeting over it was not answered"));
      }
      // An older connection to that peer may have broken just now.
      if (dial.channel->node()->cut && dial.tries < kDialTriesMax && pair_ == nullptr) dial.why = greet(dial);
    }
    if (dial.channel != nullptr) {
      const PeerNode& peer = *dial.channel->node();
      if (dial.channel->ending() && !peer.cut) {
        dial.why = Status(EPROTO, "the other end speaks something else");
      } else if (at >= dial.deadline_ns) {
        dial.why = Status(ETIMEDOUT, "the other end does not answer");
      } else if (peer.cut || (pair_ == nullptr && !peer.reached && at - dial.greeted_ns >= kNobodyNs)) {
        dial.why = Status(ECONNREFUSED, "nobody is there at that address");
      } else {
        dials_.push_back(std::move(dial));
        continue;
      }
    }
    ++count;
    Status why = dial.why;
    dial.channel.reset();
    finish(std::move(dial), fail(std::move(why)));
  }
  return count;
}

void OfiEndpoint::finish(Dial dial, Result<std::unique_ptr<Channel>> result) {
  dial.connecting->done(*dial.connecting, std::move(result));
}

void OfiEndpoint::take_hello(const PieceHeader& header, std::span<const std::byte> body) {
  const auto other = take<Introduction>(body);
  if (header.channel != 0 || !other || other->zero != 0 || other->address_bytes != body.size() ||
      body.size() > kRawAddressBytesMax || other->piece_bytes != kPieceBytes || other->credits != kCredits) {
    return drop("a malformed greeting");
  }
  const std::string raw(reinterpret_cast<const char*>(body.data()), body.size());
  if (!print_address(provider().info->addr_format, raw).has_value())
    return drop("a greeting with no address to answer to");
  auto peer = peer_at(raw);
  if (!peer.has_value()) return drop("a greeting from an address that is not there");
  auto channel = acceptor_ != nullptr ? make_channel(**peer) : fail(ECONNREFUSED);
  if (!channel.has_value()) {
    if (sends_->free() <= kSlotsKept) return drop("a greeting that there was no room to refuse");
    send_alone(**peer, PieceKind::kRefuse, other->channel, other->secret, {});
    return;
  }
  (*channel)->meet(*other);
  if (!(*channel)->welcome()) return drop("a greeting that there was no room to answer");
  acceptor_->on_channel(*std::move(channel));
}

void OfiEndpoint::take_welcome(const PieceHeader& header, std::span<const std::byte>) {
  const auto at = std::find_if(dials_.begin(), dials_.end(), [&](const Dial& dial) {
    return dial.channel != nullptr && dial.channel->id() == header.channel;
  });
  if (at == dials_.end() || at->channel->ending()) return;
  Dial dial = std::move(*at);
  dials_.erase(at);
  std::unique_ptr<Channel> channel = std::move(dial.channel);
  finish(std::move(dial), std::move(channel));
}

void OfiEndpoint::take_refuse(const PieceHeader& header) {
  const OfiChannel* const channel = channel_of(header);
  if (channel == nullptr || channel->met()) return;
  for (Dial& dial : dials_) {
    if (dial.channel.get() != channel) continue;
    dial.channel.reset();
    dial.why = Status(ECONNREFUSED, "the other end takes no channels");
    return;
  }
}

Result<std::unique_ptr<OfiChannel>> OfiEndpoint::make_channel(PeerNode& peer) {
  if (pair_ != nullptr && !slots_.empty()) return fail(ECONNREFUSED, "a pair has one channel");
  if (free_slots_.empty()) {
    if (slots_.size() == kChannelsMax) return fail(ENOBUFS, "an endpoint has too many channels");
    if (Status status = receives_->add_room(kCredits + kSpareRoom); !status.ok()) return fail(std::move(status));
    if (Status status = sends_->add_room(kCredits + kSpareRoom); !status.ok()) return fail(std::move(status));
    free_slots_.push_back(static_cast<std::uint16_t>(slots_.size()));
    slots_.push_back({.channel = nullptr, .generation = generation_});
  }
  const std::uint16_t index = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[index];
  auto channel = std::make_unique<OfiChannel>(*this, peer, index | std::uint32_t{slot.generation} << 16);
  slot.channel = channel.get();
  return channel;
}

void OfiEndpoint::forget(OfiChannel& channel) {
  const auto index = static_cast<std::uint16_t>(channel.id() & 0xffff);
  Slot& slot = slots_[index];
  slot.channel = nullptr;
  if (++slot.generation == 0) slot.generation = 1;
  free_slots_.push_back(index);
  std::erase(awake_, &channel);
  std::erase(closing_, &channel);
  std::replace(turn_.begin(), turn_.end(), &channel, static_cast<OfiChannel*>(nullptr));
  if (pair_ != nullptr) pair_->say_heard();  // whatever is still said
  PeerNode& peer = *channel.node();
  --peer.channels;
  release(peer);
}

// ---- the address table ----

Result<PeerNode*> OfiEndpoint::peer_at(const std::string& raw) {
  if (const auto at = peers_.find(raw); at != peers_.end()) return at->second.get();
  if (peers_.size() + retired_.size() >= kPeersMax) return fail(ENOBUFS, "an endpoint has too many peers");
  if (pair_ != nullptr && (!retired_.empty() || raw != pair_->peer_name() + '\0')) {
    return fail(EPROTO, "a pair has one peer");
  }
  auto peer = std::make_unique<PeerNode>();
  peer->raw = raw;
  const Turn turn(pair_.get());
  if (!turn) {
    if (!pair_->over()) return fail(EAGAIN);
    return fail(ECONNRESET, "the process at the other end has gone");
  }
  const int inserted = fi_av_insert(addresses_.get(), raw.data(), 1, &peer->address, 0, nullptr);
  if (inserted != 1 || peer->address == FI_ADDR_NOTAVAIL) {
    return fail(EHOSTUNREACH, "the provider cannot reach that address");
  }
  return peers_.emplace(raw, std::move(peer)).first->second.get();
}

// Forgets a peer that nothing refers to any more.
void OfiEndpoint::release(PeerNode& peer) {
  if (peer.channels > 0 || peer.operations > 0 || !peer.outbox.empty()) return;
  const auto is_it = [&](const auto& each) { return each.get() == &peer; };
  if (std::any_of(retired_.begin(), retired_.end(), is_it)) {
    std::erase_if(retired_, is_it);
    return;
  }
  // To forget an address is to close the connection, which may still carry the last words either way, or bring the next
  // greeting. So idle ones stay until there are many.
  if (peers_.size() <= kPeersKept) return;
  std::erase(stalled_, &peer);
  fi_av_remove(addresses_.get(), &peer.address, 1, 0);
  peers_.erase(std::string(peer.raw));
}

void OfiEndpoint::cut(PeerNode& peer, const Status& why) {
  peer.cut = true;
  log().info("fabric {}: the connection to a peer is broken: {}", provider().name, why.message());
  if (pair_ != nullptr) {
    pair_->close();
  } else {
    fi_av_remove(addresses_.get(), &peer.address, 1, 0);
  }
  for (SendSlot* const slot : std::exchange(peer.outbox, {})) sends_->give(slot);
  std::erase(stalled_, &peer);
  const auto at = peers_.find(peer.raw);
  retired_.push_back(std::move(at->second));
  peers_.erase(at);
  for (const Slot& slot : slots_) {
    if (slot.channel == nullptr || slot.channel->node() != &peer) continue;
    OfiChannel& channel = *slot.channel;
    channel.lose(why);
    if (!channel.met() || pair_ != nullptr) continue;
    // So that it does not only fall silent: over a connection of its own.
    if (auto again = peer_at(peer.raw); again.has_value()) channel.say_bye_to(**again);
  }
}

// ---- sending ----

bool OfiEndpoint::send_alone(PeerNode& peer, PieceKind kind, std::uint32_t channel, std::uint64_t secret,
                             std::span<const std::byte> body) {
  SendSlot* const slot = take_slot();
  if (slot == nullptr) return false;
  PieceHeader header;
  header.kind = kind;
  header.channel = channel;
  header.secret = secret;
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  std::memcpy(slot->data, &header, sizeof header);
  if (!body.empty()) std::memcpy(slot->data + sizeof header, body.data(), body.size());
  slot->size_bytes = sizeof header + body.size();
  post(peer, slot);
  return true;
}

void OfiEndpoint::post(PeerNode& peer, SendSlot* slot) {
  slot->peer = &peer;
  if (peer.cut) return sends_->give(slot);
  ++sent_;
  if (peer.outbox.empty() && try_post(*slot)) return;
  if (peer.outbox.empty()) {
    peer.stalled_since_ns = now();
    stalled_.push_back(&peer);
  }
  peer.outbox.push_back(slot);
}

bool OfiEndpoint::try_post(SendSlot& slot) {
  PeerNode& peer = *slot.peer;
  const Turn turn(pair_.get());
  if (!turn) return false;
  if (pair_ != nullptr) pair_->did();  // also where it fails: it may wait for the other end's pass
  const bool inject = slot.size_bytes <= provider().inject_bytes_max;
  const ssize_t result =
      inject ? fi_inject(endpoint_.get(), slot.data, slot.size_bytes, peer.address)
             : fi_send(endpoint_.get(), slot.data, slot.size_bytes, slot.descriptor, peer.address, &slot.space);
  if (result == 0) {
    peer.reached = true;
    if (inject) {
      sends_->give(&slot);
    } else {
      began(peer);
    }
    return true;
  }
  if (result != -FI_EAGAIN) peer.broken = errno_of(result);
  return false;
}

void OfiEndpoint::drain_outboxes() {
  for (std::size_t i = 0; i < stalled_.size();) {
    PeerNode& peer = *stalled_[i];
    drain(peer);
    if (i < stalled_.size() && stalled_[i] == &peer) ++i;
  }
}

void OfiEndpoint::drain(PeerNode& peer) {
  const std::int64_t at = now();
  if (at < peer.try_at_ns) return;
  peer.try_at_ns = at + (peer.reached || pair_ != nullptr ? kTryNs : kTryUnknownNs);
  while (!peer.outbox.empty() && peer.broken == 0 && try_post(*peer.outbox.front())) {
    peer.outbox.pop_front();
    peer.stalled_since_ns = at;
  }
  if (peer.outbox.empty()) {
    std::erase(stalled_, &peer);
    for (const Slot& slot : slots_) {
      if (slot.channel != nullptr && slot.channel->node() == &peer) wake(*slot.channel);
    }
    return release(peer);
  }
  const std::int64_t stalled = at - peer.stalled_since_ns;
  if (peer.channels == 0 && (peer.broken != 0 || stalled > kLastWordsNs)) {
    for (SendSlot* const slot : std::exchange(peer.outbox, {})) sends_->give(slot);
    std::erase(stalled_, &peer);
    return release(peer);
  }
  if (peer.broken != 0)
    return cut(peer, Status(peer.broken, "the provider cannot send: " + Status(peer.broken).message()));
  if (peer.reached && peer.operations == 0 && stalled > kStalledMaxNs) {
    cut(peer, Status(ETIMEDOUT, "the other end takes nothing any more"));
  }
}

}  // namespace ross::fabric::ofi
