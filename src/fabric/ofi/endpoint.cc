#include "fabric/ofi/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/kept_signals.h"
#include "base/log.h"
#include "fabric/ofi/channel.h"

namespace ross::fabric::ofi {
namespace {

// Room for pieces that come without a channel: who says hello, and answers.
constexpr std::size_t kHelloRoom = 64;
constexpr std::size_t kHelloRoomOfPair = 4;
constexpr std::size_t kQueueEntries = 8192;
constexpr std::size_t kPartsMax = 1024;
constexpr int kEntriesPerRead = 64;
constexpr int kReadsInRevoke = 1000;
constexpr std::int64_t kTurnInRevokeNs = 2'000'000;

// A provider that cannot wake us is looked at so often, doubling from the one to the other while nothing comes.
constexpr std::int64_t kIdleMinNs = 50'000;
constexpr std::int64_t kIdleMaxNs = 2'000'000;
constexpr std::int64_t kIdleMaxNsOfPair = 20'000'000;
constexpr std::int64_t kRetryNs = 100'000;
constexpr std::int64_t kDialLookNs = 20'000'000;
constexpr std::int64_t kLingerNs = 50'000'000;  // of an endpoint's destructor, for last words to leave

}  // namespace

OfiEndpoint::OfiEndpoint(OfiDomain& domain, runtime::Loop& loop, const EndpointOptions& options, Pairing pairing)
    : domain_(domain),
      loop_(loop),
      limits_(options.limits),
      acceptor_(options.acceptor),
      pair_(std::move(pairing.pair)),
      host_(pairing.host),
      generation_(pairing.generation),
      windows_(pairing.windows) {}

Result<std::unique_ptr<OfiEndpoint>> OfiEndpoint::create(OfiDomain& domain, runtime::Loop& loop,
                                                         const EndpointOptions& options, Pairing pairing) {
  const bool listens = pairing.pair != nullptr || options.listen.empty() == (options.acceptor == nullptr);
  ROSS_CHECK(listens, "who listens has an acceptor");
  std::unique_ptr<OfiEndpoint> made(new OfiEndpoint(domain, loop, options, std::move(pairing)));
  if (Status status = made->open(options); !status.ok()) return fail(std::move(status));
  return made;
}

Status OfiEndpoint::open(const EndpointOptions& options) {
  auto info = provider().at(pair_ != nullptr ? pair_->own_name() : options.listen, domain_.domain());
  if (!info.has_value()) return std::move(info).error();
  ROSS_STATUS(bind_and_enable(info->get()));

  char name[kRawAddressBytesMax];
  std::size_t size = sizeof name;
  if (const int result = fi_getname(&endpoint_->fid, name, &size); result != 0) return status_of("fi_getname", result);
  raw_name_.assign(name, size);
  auto printed = print_address((*info)->addr_format, raw_name_);
  if (!printed.has_value()) return std::move(printed).error();
  if (!options.listen.empty()) address_ = *std::move(printed);

  receives_ = std::make_unique<ReceivePool>(domain_, endpoint_.get(), pair_.get());
  sends_ = std::make_unique<SendPool>(domain_, endpoint_.get());
  bounces_ = std::make_unique<BouncePool>(domain_, endpoint_.get());
  if (windows_ == nullptr) {
    own_windows_ = std::make_unique<WindowTable>(domain_, endpoint_.get());
    windows_ = own_windows_.get();
  }
  ROSS_STATUS(receives_->add_room(pair_ != nullptr ? kHelloRoomOfPair : kHelloRoom));
  if (pair_ == nullptr) ROSS_STATUS(sends_->add_room(kHelloRoom));  // a pair's only channel brings its own
  ROSS_STATUS(loop_.add(*this));
  added_ = true;
  return {};
}

Status OfiEndpoint::bind_and_enable(fi_info* info) {
  // What opens and closes endpoints of libfabric 1.17's shm changes two things of the whole process: the list of its endpoints'
  // names, in which one stands before its memory is ready, and who handles SIGBUS, SIGSEGV, SIGTERM and SIGINT, which the first one
  // takes: to remove files that others may still be about to map.
  static std::mutex one_at_a_time;
  std::unique_lock lock(one_at_a_time, std::defer_lock);
  std::optional<KeptSignals> kept;
  if (pair_ != nullptr) {
    lock.lock();
    kept.emplace();
  }
  fi_av_attr table{};
  table.type = FI_AV_TABLE;
  fid_av* addresses = nullptr;
  if (const int result = fi_av_open(domain_.domain(), &table, &addresses, nullptr); result != 0) {
    return status_of("fi_av_open", result);
  }
  addresses_.reset(addresses);
  fi_cq_attr queueing{};
  queueing.size = kQueueEntries;
  queueing.format = FI_CQ_FORMAT_DATA;
  queueing.wait_obj = domain_.traits().sleeps && pair_ == nullptr ? FI_WAIT_FD : FI_WAIT_NONE;
  fid_cq* queue = nullptr;
  if (const int result = fi_cq_open(domain_.domain(), &queueing, &queue, nullptr); result != 0) {
    return status_of("fi_cq_open", result);
  }
  queue_.reset(queue);
  if (pair_ == nullptr && domain_.traits().sleeps) {
    if (const int result = fi_control(&queue->fid, FI_GETWAIT, &fd_); result != 0)
      return status_of("FI_GETWAIT", result);
  }
  fid_ep* endpoint = nullptr;
  if (const int result = fi_endpoint(domain_.domain(), info, &endpoint, nullptr); result != 0) {
    return status_of("fi_endpoint", result);
  }
  endpoint_.reset(endpoint);
  if (const int result = fi_ep_bind(endpoint, &addresses->fid, 0); result != 0) return status_of("fi_ep_bind", result);
  if (const int result = fi_ep_bind(endpoint, &queue->fid, FI_TRANSMIT | FI_RECV); result != 0) {
    return status_of("fi_ep_bind", result);
  }
  if (const int result = fi_enable(endpoint); result != 0) return status_of("fi_enable", result);
  return {};
}

OfiEndpoint::~OfiEndpoint() {
  for (Dial& dial : std::exchange(dials_, {})) finish(std::move(dial), fail(ECANCELED, "the endpoint was closed"));
  for (const Slot& slot : slots_) ROSS_CHECK(slot.channel == nullptr, "an endpoint was destroyed before its channels");
  if (added_) loop_.remove(*this);
  if (pair_ != nullptr) {
    close_pair();
    return;
  }
  if (added_) {
    // Last words leave the sooner the better: what the provider holds is lost with the endpoint.
    const std::int64_t until = system_clock().monotonic_ns() + kLingerNs;
    while ((!stalled_.empty() || sends_->in_use() > 0) && system_clock().monotonic_ns() < until) {
      drain_outboxes();
      arrive(1);
      while (!arrivals_.empty()) {
        if (arrivals_.front().buffer != nullptr) receives_->release(*arrivals_.front().buffer);
        arrivals_.pop_front();
      }
    }
  }
  if (provider().endpoint_bound) {  // registrations of an endpoint are closed before it
    own_windows_.reset();
    bounces_.reset();
    domain_.forget(endpoint_.get());
  }
}

// ---- the loop's calls ----

std::size_t OfiEndpoint::poll() {
  if (pair_ != nullptr) return poll_pair();
  blocked_ = false;
  std::size_t count = dials_.empty() ? 0 : run_dials();
  if (!receives_->retry()) blocked_ = true;
  // First what has come: that a peer has ended is known before something is sent to it.
  count += arrive(kReadsPerPass);
  count += tell();
  if (!stalled_.empty()) drain_outboxes();
  count += flush();
  if (!closing_.empty()) count += settle();
  if (count > 0) idle_ns_ = 0;
  return count;
}

std::int64_t OfiEndpoint::arm() {
  if (!arrivals_.empty()) return 0;
  if (!awake_.empty() && !blocked_) return 0;
  std::int64_t limit = kUntilReadable;
  if (pair_ == nullptr && (blocked_ || !stalled_.empty())) limit = kRetryNs;
  if (!closing_.empty()) limit = std::min(limit, kIdleMaxNs);
  for (const Dial& dial : dials_) {
    if (dial.channel == nullptr && !dial.waits_for_turn()) return 0;
    limit = std::min(limit, std::clamp<std::int64_t>(dial.deadline_ns - now(), 0, kDialLookNs));
  }
  if (pair_ != nullptr) {
    // The other end's passes complete our operations and make room, and ring. Its turns it does not tell of, and it may have died.
    if (!pair_->over() && (blocked_ || awaits())) {
      idle_ns_ = std::clamp(2 * idle_ns_, kIdleMinNs, kIdleMaxNsOfPair);
      limit = std::min(limit, idle_ns_);
    }
    return pair_->fall_asleep() ? limit : 0;
  }
  if (fd_ >= 0) {
    fid* waits = &queue_->fid;
    return fi_trywait(domain_.fabric(), &waits, 1) == 0 ? limit : 0;
  }
  // Transfers are moved in our passes and the other end's, so while there are any, nobody sleeps long.
  const bool busy = std::any_of(slots_.begin(), slots_.end(),
                                [](const Slot& slot) { return slot.channel != nullptr && slot.channel->busy(); });
  idle_ns_ = busy ? kIdleMinNs : std::clamp(2 * idle_ns_, kIdleMinNs, kIdleMaxNs);
  return std::min(limit, idle_ns_);
}

// ---- arriving ----

std::size_t OfiEndpoint::arrive(int rounds_max) {
  std::size_t count = 0;
  fi_cq_data_entry entries[kEntriesPerRead];
  for (int round = 0; round < rounds_max; ++round) {
    const ssize_t got = fi_cq_read(queue_.get(), entries, kEntriesPerRead);
    if (got == -FI_EAVAIL) {
      take_error();
      ++count;
      continue;
    }
    if (got <= 0) break;
    count += static_cast<std::size_t>(got);
    for (ssize_t i = 0; i < got; ++i) take_entry(entries[i]);
    if (got < kEntriesPerRead && rounds_max == kReadsPerPass) break;
  }
  unread_ = count >= static_cast<std::size_t>(rounds_max) * kEntriesPerRead;
  return count;
}

void OfiEndpoint::take_entry(const fi_cq_data_entry& entry) {
  if (entry.op_context == nullptr) return;  // a peer's transfer, where the provider tells of those
  Context& context = *static_cast<Context*>(static_cast<void*>(entry.op_context));
  switch (context.kind) {
    case Context::Kind::kReceive: {
      auto& buffer = static_cast<ReceiveBuffer&>(context);
      const bool multi = provider().multi_receive;
      if ((entry.flags & FI_RECV) != 0 && entry.len > 0) {
        const std::byte* const begin = multi ? static_cast<const std::byte*>(entry.buf) : buffer.bytes.data();
        take_piece(buffer, {begin, entry.len});
      }
      if (!multi || (entry.flags & FI_MULTI_RECV) != 0) receives_->returned(buffer);
      return;
    }
    case Context::Kind::kSend: {
      auto& slot = static_cast<SendSlot&>(context);
      PeerNode& peer = *slot.peer;
      ended(peer);
      sends_->give(&slot);
      release(peer);
      return;
    }
    case Context::Kind::kTransfer: {
      auto& part = static_cast<TransferPart&>(context);
      PeerNode& peer = *part.peer;
      ended(peer);
      if (part.flight != nullptr) part.flight->channel->part_done(part, 0);
      give_part(&part);
      release(peer);
      return;
    }
  }
}

void OfiEndpoint::take_error() {
  fi_cq_err_entry error{};
  if (fi_cq_readerr(queue_.get(), &error, 0) < 0) return;
  if (error.op_context == nullptr) return drop("a peer's transfer that was refused");
  Context& context = *static_cast<Context*>(error.op_context);
  const int reason = errno_of(error.err);
  switch (context.kind) {
    case Context::Kind::kReceive:
      if (error.err != FI_ECANCELED) {
        drop("a message that could not be received");
        receives_->returned(static_cast<ReceiveBuffer&>(context));
      }
      return;
    case Context::Kind::kSend: {
      auto& slot = static_cast<SendSlot&>(context);
      PeerNode& peer = *slot.peer;
      ended(peer);
      sends_->give(&slot);
      if (!peer.cut) cut(peer, Status(reason, "the connection broke: " + Status(reason).message()));
      release(peer);
      return;
    }
    case Context::Kind::kTransfer: {
      auto& part = static_cast<TransferPart&>(context);
      PeerNode& peer = *part.peer;
      ended(peer);
      if (part.flight != nullptr) part.flight->channel->part_done(part, reason);
      give_part(&part);
      release(peer);
      return;
    }
  }
}

// What comes from nobody we know, or is not of our making: counted, and one line in the log for the first of them.
void OfiEndpoint::drop(std::string_view what) {
  if (dropped_++ == 0) log().warn("fabric {}: dropped {}; more of that is counted only", provider().name, what);
}

void OfiEndpoint::take_piece(ReceiveBuffer& buffer, std::span<const std::byte> bytes) {
  auto body = bytes;
  const auto header = take_header(body);
  if (!header) return drop("bytes that are no message of ours");
  if (header->kind == PieceKind::kHello || header->kind == PieceKind::kRefuse) {
    ++buffer.held;
    arrivals_.push_back({&buffer, body, *header, nullptr});
    return;
  }
  OfiChannel* const channel = channel_of(*header);
  if (channel == nullptr) return;
  if (!channel->arrive(*header, body)) return;
  ++buffer.held;
  arrivals_.push_back({&buffer, body, *header, nullptr});
}

OfiChannel* OfiEndpoint::channel_of(const PieceHeader& header) {
  const std::uint32_t index = header.channel & 0xffff;
  if (index >= slots_.size()) {
    drop("a message for a channel that never was");
    return nullptr;
  }
  const Slot& slot = slots_[index];
  // One that has just ended: its peer may not have heard of it yet.
  if (slot.channel == nullptr || slot.generation != header.channel >> 16) return nullptr;
  if (slot.channel->secret() != header.secret) {
    drop("a message with a wrong secret");
    return nullptr;
  }
  return slot.channel;
}

// ---- telling ----

std::size_t OfiEndpoint::tell() {
  std::size_t count = 0;
  while (!arrivals_.empty()) {
    const Arrival arrival = arrivals_.front();
    arrivals_.pop_front();
    if (arrival.flight != nullptr) {
      count += arrival.flight->channel->tell_flight(*arrival.flight);
      continue;
    }
    ++count;
    const PieceHeader& header = arrival.header;
    if (header.kind == PieceKind::kHello) {
      take_hello(header, arrival.body);
    } else if (header.kind == PieceKind::kRefuse) {
      take_refuse(header);
    } else if (OfiChannel* const channel = channel_of(header); channel != nullptr) {
      if (header.kind == PieceKind::kWelcome) {
        take_welcome(header, arrival.body);
      } else {
        channel->tell(header, arrival.body);
      }
    }
    receives_->release(*arrival.buffer);
  }
  return count;
}

std::size_t OfiEndpoint::flush() {
  if (awake_.empty()) return 0;
  const std::size_t sent_before = sent_;
  turn_.swap(awake_);
  for (OfiChannel* const channel : turn_) {
    if (channel != nullptr) channel->awake = false;
  }
  for (std::size_t i = 0; i < turn_.size(); ++i) {
    if (turn_[i] == nullptr || turn_[i]->flush() || turn_[i] == nullptr) continue;  // null: it has gone
    blocked_ = true;
    wake(*turn_[i]);
  }
  turn_.clear();
  return sent_ - sent_before;
}

std::size_t OfiEndpoint::settle() {
  std::size_t count = 0;
  const std::int64_t at = now();
  for (std::size_t i = 0; i < closing_.size();) {
    OfiChannel* const channel = closing_[i];
    count += channel->settle(at);
    if (i < closing_.size() && closing_[i] == channel) ++i;
  }
  return count;
}

void OfiEndpoint::wake(OfiChannel& channel) {
  if (channel.awake || channel.node() == nullptr) return;
  channel.awake = true;
  awake_.push_back(&channel);
}

// ---- windows ----

Result<Window> OfiEndpoint::expose(const Exposure& exposure) {
  const auto* const only_for = static_cast<const OfiChannel*>(exposure.only_for);
  return windows_->expose(exposure, only_for != nullptr ? only_for->id() : 0);
}

void OfiEndpoint::revoke(const Window& window) {
  const auto key = decode_key(window.key);
  ROSS_CHECK(key.has_value(), "a window was revoked that was never exposed");
  leave_window(key->id);
  windows_->revoke(key->id);
}

void OfiEndpoint::leave_window(std::uint64_t id) {
  const auto at_it = [&](const Slot& slot) { return slot.channel != nullptr && slot.channel->uses(id); };
  if (std::none_of(slots_.begin(), slots_.end(), at_it)) return;
  // Nothing begins without our leave; whether it has ended is told in what has arrived so far.
  if (const Turn turn(pair_.get(), kTurnInRevokeNs); turn) arrive(kReadsInRevoke);
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!at_it(slots_[i])) continue;
    PeerNode& peer = *slots_[i].channel->node();
    if (!peer.cut) cut(peer, Status(ECANCELED, "a window was revoked while a transfer was under way"));
  }
}

// ---- parts ----

TransferPart* OfiEndpoint::take_part() {
  if (free_parts_.empty()) {
    if (parts_.size() == kPartsMax) return nullptr;
    return &parts_.emplace_back();
  }
  TransferPart* const part = free_parts_.back();
  free_parts_.pop_back();
  return part;
}

void OfiEndpoint::give_part(TransferPart* part) {
  if (part->bounce != nullptr) bounces_->give(std::exchange(part->bounce, nullptr));
  part->flight = nullptr;
  free_parts_.push_back(part);
}

void OfiEndpoint::abandon(Flight& flight) {
  for (TransferPart& part : parts_) {
    if (part.flight == &flight) part.flight = nullptr;
  }
}

}  // namespace ross::fabric::ofi
