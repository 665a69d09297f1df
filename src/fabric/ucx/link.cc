// A link's life: meeting, and the ways to end.
#include "fabric/ucx/link.h"

#include "base/log.h"

namespace ross::fabric::ucx {
namespace {

// How long who closes waits for the other end to go, which takes it a round trip: what is on the way gets there, and a
// peer that does not answer holds nothing up for longer.
constexpr std::int64_t kLeaveNs = 1'000'000'000;

}  // namespace

// ---- the users' view ----

LinkChannel::~LinkChannel() { link_.detach(); }
const Peer& LinkChannel::peer() const { return link_.peer; }
void LinkChannel::start(Receiver& receiver) { link_.start(receiver); }
void LinkChannel::send(Outgoing& message) { link_.send(message); }
void LinkChannel::put(Transfer& transfer) { link_.put(transfer); }
void LinkChannel::get(Transfer& transfer) { link_.get(transfer); }
void LinkChannel::close() { link_.close(); }

// ---- meeting ----

Link::Link(Hub& hub, Worker& worker, std::uint64_t id) : hub_(hub), worker_(worker), id_(id) {
  worker_.add_link(id_, *this);
}

Link::~Link() {
  ROSS_CHECK(requests_ == 0, "a link was destroyed while UCX holds its memory");
  drop_slots();
  if (open_ != nullptr) hub_.give(open_);
  worker_.remove_link(id_);
}

Hello Link::hello() const {
  return {
      .channel = id_, .head_bytes_max = hub_.limits.head_bytes_max, .payload_bytes_max = hub_.limits.payload_bytes_max};
}

void Link::send_hello(Frame frame, std::uint64_t to) {
  Operation* const operation = hub_.take_operation(Operation::Kind::kSendHello, *this);
  const FrameHeader header{.channel = to, .frame = frame};
  const Hello said = hello();
  // Both in the operation's buffer, which lives until UCX has sent them.
  operation->header.resize(sizeof header + sizeof said);
  std::memcpy(operation->header.data(), &header, sizeof header);
  std::memcpy(operation->header.data() + sizeof header, &said, sizeof said);
  ucp_request_param_t param = Worker::send_parameters(*operation);
  param.flags = UCP_AM_SEND_FLAG_EAGER | UCP_AM_SEND_FLAG_REPLY;
  ++requests_;
  worker_.started(*operation, library().am_send_nbx(endpoint_, kActiveMessage, operation->header.data(), sizeof header,
                                                    operation->header.data() + sizeof header, sizeof said, &param));
}

Status Link::meet(const Hello& said) {
  if (said.magic != kMagic) return Status(EPROTO, "what is at the other end does not speak this protocol");
  if (said.version != kVersion) return Status(EPROTO, "the other end speaks another version of this protocol");
  if (said.channel == 0) return Status(EPROTO, "the other end gave its channel no name");
  peer_id_ = said.channel;
  peer_limits_ = {.head_bytes_max = said.head_bytes_max, .payload_bytes_max = said.payload_bytes_max};
  state_ = State::kOpen;
  deadline_ns_ = INT64_MAX;
  return {};
}

std::unique_ptr<Channel> Link::make_channel() {
  auto channel = std::make_unique<LinkChannel>(*this);
  channel_ = channel.get();
  return channel;
}

void Link::start(Receiver& receiver) {
  ROSS_CHECK(receiver_ == nullptr, "a channel was started twice");
  receiver_ = &receiver;
  mark();  // what has waited is delivered when the endpoint comes round
}

// ---- the end ----

void Link::close() {
  if (state_ != State::kOpen) return;
  send_jobs();  // what was sent before goes before
  if (state_ != State::kOpen) return;
  if (messages_sent_ - messages_known_ < kWindow) {
    append(Item::kBye, 0, 0);
    ++messages_sent_;
  } else {
    say_abort(ESHUTDOWN);
  }
  leave(Status(ESHUTDOWN, "the connection was closed"));
}

void Link::detach() {
  channel_ = nullptr;
  ROSS_CHECK(receiver_ == nullptr || state_ == State::kEnded, "a channel was destroyed before it was closed");
  close();
}

void Link::leave(const Status& why) {
  state_ = State::kLeaving;
  why_ = why;
  deadline_ns_ = hub_.clock.monotonic_ns() + kLeaveNs;
  mark();
}

void Link::refuse(const Status& why) {
  if (state_ != State::kOpen) return;
  log().debug("ucx: a connection is ended: {}", why.message());
  say_abort(why.error());
  leave(why);
}

void Link::take_failure(const Status& why) {
  if (state_ == State::kLeaving) {
    cut(why_);
  } else if (state_ == State::kMeeting || state_ == State::kOpen) {
    log().debug("ucx: a connection has ended: {}", why.message());
    cut(why);
  }
}

void Link::take_farewell(const Status& why) { take_failure(why); }

void Link::take_deadline() {
  if (state_ == State::kLeaving) cut(why_);
}

void Link::cut(const Status& why) {
  if (state_ == State::kCut || state_ == State::kEnded) return;
  state_ = State::kCut;
  why_ = why;
  deadline_ns_ = INT64_MAX;
  worker_.remove_link(id_);  // what still comes is nobody's
  drop_slots();
  take_back();
  mark();
}

void Link::take_back() {
  ucp_ep_h const endpoint = std::exchange(endpoint_, nullptr);
  if (hub_.transport.by_socket_address) return Worker::close(endpoint);
  worker_.end(endpoint);
  hub_.finish_operations(*this);
}

bool Link::drained() {
  if (state_ != State::kCut || requests_ > 0) return false;
  tell_all();
  return true;
}

void Link::finish() {
  state_ = State::kEnded;
  if (receiver_ != nullptr) receiver_->on_closed(why_);  // may destroy the channel
}

void Link::take_done(Operation& operation) {
  --requests_;
  const bool ok = operation.status == UCS_OK;
  const int error = ok ? 0 : to_errno(operation.status);
  switch (operation.kind) {
    case Operation::Kind::kSendBatch:
      answers_ -= operation.batch->answers;
      hub_.give(operation.batch);
      break;
    case Operation::Kind::kSendHello:
      break;
    case Operation::Kind::kSendMessage:
      hub_.tell(*operation.message, ok);
      break;
    case Operation::Kind::kSendPut:
      piece_done(*operation.transfer, error);
      break;
    case Operation::Kind::kSendAnswer:
      --answers_;
      break;
    case Operation::Kind::kLandMessage:
      landing_ = false;
      if (ok && state_ == State::kOpen) {
        finish_message();
        advance();
      }
      break;
    case Operation::Kind::kLandPut:
      if (ok) finish_put(operation.number);
      break;
    case Operation::Kind::kLandAnswer: {
      Get& get = gets_[operation.number];
      Transfer& transfer = *std::exchange(get.transfer, nullptr);
      ++get.generation;
      get.landing = false;
      gets_free_.push_back(operation.number);
      piece_done(transfer, error);
      mark();  // a get may have waited for the room
      break;
    }
  }
  // What fails while the ends meet is told by UCX's error handler, too, and who connects learns it from there.
  if (!ok && state_ != State::kMeeting) take_failure(to_status(operation.status, "the connection failed"));
  hub_.give(&operation);
}

}  // namespace ross::fabric::ucx
