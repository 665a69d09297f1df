#include "fabric/sim/half.h"

#include <utility>

namespace ross::fabric::sim {
namespace {

class SimChannel final : public Channel {
 public:
  explicit SimChannel(std::shared_ptr<Half> half) : half_(std::move(half)) {}
  ~SimChannel() override { half_->destroyed(); }

  [[nodiscard]] const Peer& peer() const override { return who_; }
  void start(Receiver& receiver) override { half_->start(receiver); }
  // Each may end in the channel's destruction, which its half survives by this reference.
  void send(Outgoing& message) override { std::shared_ptr(half_)->send(message); }
  void put(Transfer& transfer) override { std::shared_ptr(half_)->put(transfer); }
  void get(Transfer& transfer) override { std::shared_ptr(half_)->get(transfer); }
  void close() override { half_->close(); }

  [[nodiscard]] Half& half() const { return *half_; }

 private:
  const std::shared_ptr<Half> half_;
  const Peer who_;  // nobody can tell
};

}  // namespace

std::pair<std::shared_ptr<Half>, std::shared_ptr<Half>> Half::join(const std::shared_ptr<Station>& one,
                                                                   const std::shared_ptr<Station>& other) {
  auto connection = std::make_shared<Connection>();
  connection->id = one->net().next_id();
  auto first = std::make_shared<Half>(one, connection, 0);
  auto second = std::make_shared<Half>(other, connection, 1);
  first->peer_ = second;
  second->peer_ = first;
  return {std::move(first), std::move(second)};
}

std::unique_ptr<Channel> Half::handle(const std::shared_ptr<Half>& half) {
  half->has_handle_ = true;
  return std::make_unique<SimChannel>(half);
}

std::uint64_t Half::connection_of(const Channel& channel) {
  return static_cast<const SimChannel&>(channel).half().connection().id;
}

Half::Half(std::shared_ptr<Station> station, std::shared_ptr<Connection> connection, int side)
    : station_(std::move(station)), connection_(std::move(connection)), side_(side) {
  station_->add(*this);
}
Half::~Half() { station_->drop(*this); }

void Half::destroyed() {
  has_handle_ = false;
  if (station_->gone()) return;  // its host crashed
  if (receiver_ == nullptr) {
    ROSS_CHECK(queue_.empty() && moving_.empty(), "a channel was destroyed that borrows something");
    end(Status(ESHUTDOWN), Status(ECONNRESET, "the channel was not taken"));
    return;
  }
  ROSS_CHECK(closed_told_, "a channel was destroyed before it was closed");
}

// ---- sending ----

void Half::start(Receiver& receiver) {
  ROSS_CHECK(receiver_ == nullptr, "a channel was started twice");
  receiver_ = &receiver;
  if (ending_) return tell_closed_later();
  net().later(*this, net().now(), [](Half& half) { half.show(); });
}

void Half::begins_something() {
  if (learns_on_use_ && !ending_) end_later(Status(ECONNRESET, "the connection was cut"));
  const std::shared_ptr<Half> peer = this->peer();
  if (peer == nullptr) return;
  net().roll_link(host(), peer->host());
  const LinkOptions& link = net().link_options(host(), peer->host());
  if (net().dice(link.cut_per_million)) {
    net().later(*this, net().now() + net().some_ns(4 * link.latency_ns_max), [](Half& half) { half.net().cut(half); });
  }
}

void Half::send(Outgoing& message) {
  if (station_->gone()) return;
  ROSS_CHECK(!closed_told_, "a message on a channel that has told its end");
  ROSS_CHECK(message.head.size() <= station_->limits().head_bytes_max &&
                 message.payload.size_bytes() <= station_->limits().payload_bytes_max,
             "a message beyond the limits of its channel");
  begins_something();
  // The puts begun before it, which it waits for when it has arrived.
  message.lengths[0] = static_cast<std::uint32_t>(transfers_begun_);
  queue_.push_back(&message);
  depart_later();
}

void Half::depart_later() {
  if (departing_ || queue_.empty() || ending_) return;
  departing_ = true;
  net().later(*this, net().now(), [](Half& half) { half.depart(); });
}

void Half::depart() {
  departing_ = false;
  while (!queue_.empty() && !ending_) {
    Outgoing& message = *queue_.front();
    const std::size_t size = message.head.size() + message.payload.size_bytes();
    if (in_flight_bytes_ > 0 && in_flight_bytes_ + size > Network::kInFlightBytesMax) return;
    queue_.pop_front();
    in_flight_bytes_ += size;
    auto packet = std::make_shared<Packet>();
    packet->behind = message.lengths[0];
    packet->head = message.head;
    packet->payload.resize(message.payload.size_bytes());
    message.payload.copy_out(0, packet->payload);
    const std::uint64_t number = ++packets_sent_;
    net().carry(*this, size, [number, packet](Half& to) { to.arrived(number, packet); });
    message.sent(message, true);  // may free it, may send more, may close
  }
}

void Half::consumed(std::size_t size_bytes) {
  net().carry(*this, 0, [size_bytes](Half& sender) {
    sender.in_flight_bytes_ -= size_bytes;
    sender.depart_later();
  });
}

// ---- receiving ----

void Half::arrived(std::uint64_t number, const std::shared_ptr<Packet>& packet) {
  net().note('M', number);
  arrived_.emplace(number, packet);
  show();
}

// All that is next by its number and whose puts have landed.
void Half::show() {
  while (receiver_ != nullptr && !ending_ && !landing_) {
    const auto next = arrived_.begin();
    if (next == arrived_.end() || next->first != packets_shown_ + 1) return;
    const std::set<std::uint64_t>& puts = connection_->puts_landing[1 - side_];
    if (!puts.empty() && *puts.begin() <= next->second->behind) return;
    const std::shared_ptr<Packet> packet = next->second;
    arrived_.erase(next);
    const ChannelLimits& limits = station_->limits();
    if (packet->head.size() > limits.head_bytes_max || packet->payload.size() > limits.payload_bytes_max) {
      return end(Status(EMSGSIZE, "the peer sent a message beyond the limits"),
                 Status(EMSGSIZE, "a message was beyond the peer's limits"));
    }
    Result<memory::Memory> payload = receiver_->on_head(packet->head, packet->payload.size());
    if (ending_) return;
    if (!payload.has_value()) return end(payload.error(), Status(ECONNRESET, "the peer refused a message"));
    ROSS_CHECK(payload->size_bytes() == packet->payload.size(),
               "a receiver gave memory of another size than the payload's");
    landing_ = true;
    landing_at_ = *payload;
    if (packet->payload.empty() || net().random().chance(1, 2)) {
      land(packet);
    } else {
      net().later(*this, net().now() + net().latency_ns(host(), host()), [packet](Half& half) {
        half.land(packet);
        half.show();
      });
    }
  }
}

void Half::land(const std::shared_ptr<Packet>& packet) {
  if (ending_) return;
  landing_at_.copy_in(0, packet->payload);
  landing_ = false;
  ++packets_shown_;
  ++net().counters().messages;
  net().counters().bytes += packet->payload.size();
  net().note('L', packets_shown_);
  consumed(packet->head.size() + packet->payload.size());
  const Status taken = receiver_->on_message();
  if (!taken.ok()) end(taken, Status(ECONNRESET, "the peer refused a message"));
}

// ---- ending ----

void Half::close() {
  if (station_->gone()) return;
  end(Status(ESHUTDOWN, "the channel was closed"), Status(ESHUTDOWN, "the peer closed the channel"));
}

void Half::end(const Status& why, const Status& for_peer) {
  if (ending_) return;
  ending_ = true;
  why_ = why;
  net().note('E', connection_->id);
  if (!for_peer.ok()) {
    net().carry(*this, 0, [for_peer](Half& peer) { peer.end(for_peer); });
  }
  tell_closed_later();
}

void Half::end_later(const Status& why) {
  net().later(*this, net().now() + net().latency_ns(host(), host()), [why](Half& half) { half.end(why); });
}

// Not inside a call of the owner, and not at once: what is under way may still land.
void Half::tell_closed_later() {
  net().later(*this, net().now() + net().latency_ns(host(), host()), [](Half& half) { half.tell_closed(); });
}

void Half::tell_closed() {
  if (receiver_ == nullptr || closed_told_) return;  // start() comes back to it
  while (!queue_.empty() || !moving_.empty()) {
    if (!queue_.empty()) {
      Outgoing& dropped = *queue_.front();
      queue_.pop_front();
      dropped.sent(dropped, false);
      continue;
    }
    const std::shared_ptr<Moving> moving = moving_.begin()->second;
    moving_.erase(moving_.begin());
    Transfer& dropped = *std::exchange(moving->transfer, nullptr);
    dropped.done(dropped, why_.error());
  }
  closed_told_ = true;
  arrived_.clear();
  net().note('C', connection_->id);
  receiver_->on_closed(why_);  // may destroy the channel
}

}  // namespace ross::fabric::sim
