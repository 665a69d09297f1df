// The sending side of a link.
#include <algorithm>

#include "fabric/ucx/link.h"

namespace ross::fabric::ucx {
namespace {

// Of Transfer::words[1]: the pieces on the way below, the first error above.
constexpr int kErrorShift = 32;
constexpr std::size_t kJobsBegunMax = 1024;

}  // namespace

void Link::mark() {
  if (std::exchange(marked_, true)) return;
  hub_.mark(*this);
}

void Link::queue(Job job) {
  jobs_.push_back(job);
  mark();
}

void Link::send(Outgoing& message) {
  ROSS_CHECK(message.head.size() <= hub_.limits.head_bytes_max &&
                 message.payload.size_bytes() <= hub_.limits.payload_bytes_max,
             "a message beyond the limits of its channel");
  queue({.kind = Job::Kind::kMessage, .message = &message});
}

void Link::put(Transfer& transfer) {
  transfer.words[0] = transfer.words[1] = 0;
  queue({.kind = Job::Kind::kPut, .transfer = &transfer});
}

void Link::get(Transfer& transfer) {
  transfer.words[0] = transfer.words[1] = 0;
  queue({.kind = Job::Kind::kGet, .transfer = &transfer});
}

void Link::flush() {
  marked_ = false;
  advance();
  send_jobs();
  if (state_ == State::kEnded) tell_all();  // what was asked for after the end
  if (state_ != State::kOpen && state_ != State::kLeaving) return;
  if (open_ == nullptr && owes_receipt()) {
    open_ = hub_.take_batch();
    open_->header.first_message = messages_sent_;
    open_->header.first_put = puts_sent_;
  }
  if (open_ != nullptr) send_batch();
}

// As far as the other end has room.
void Link::send_jobs() {
  while (state_ == State::kOpen && jobs_begun_ < jobs_.size() && send_job(jobs_[jobs_begun_])) ++jobs_begun_;
  // The room of what was sent is used again before there is much of it.
  if (jobs_begun_ == jobs_.size()) {
    jobs_.clear();
    jobs_begun_ = 0;
  } else if (jobs_begun_ >= kJobsBegunMax && jobs_begun_ >= jobs_.size() / 2) {
    jobs_.erase(jobs_.begin(), jobs_.begin() + static_cast<std::ptrdiff_t>(jobs_begun_));
    jobs_begun_ = 0;
  }
}

// True when the job needs no more sending.
bool Link::send_job(const Job& job) {
  switch (job.kind) {
    case Job::Kind::kMessage:
      return send_message(*job.message);
    case Job::Kind::kPut:
      return send_put(*job.transfer);
    case Job::Kind::kGet:
      return send_get(*job.transfer);
  }
  return false;
}

bool Link::send_message(Outgoing& message) {
  const std::size_t payload_bytes = message.payload.size_bytes();
  if (message.head.size() > peer_limits_.head_bytes_max || payload_bytes > peer_limits_.payload_bytes_max) {
    refuse(Status(EMSGSIZE, "a message beyond the limits of the other end"));
    return false;
  }
  const bool bulk = payload_bytes > hub_.transport.eager_bytes_max;
  const bool head_beside =
      sizeof(FrameHeader) + sizeof(ItemHeader) + message.head.size() <= worker_.bulk_header_bytes_max();
  const std::uint32_t numbers = bulk && !head_beside ? 2 : 1;
  if (messages_sent_ - messages_known_ + numbers > kWindow) return false;
  if (!bulk || !head_beside) {
    std::byte* const into = append(Item::kMessage, message.head.size(), payload_bytes, bulk);
    std::memcpy(into, message.head.data(), message.head.size());
    ++messages_sent_;
    if (!bulk) {
      message.payload.copy_out(0, {into + message.head.size(), payload_bytes});
      hub_.tell(message, true);
      return true;
    }
  }
  Operation* const operation = hub_.take_operation(Operation::Kind::kSendMessage, *this);
  operation->message = &message;
  if (head_beside) {
    begin_bulk(*operation, Item::kMessage, message.head, payload_bytes);
  } else {
    begin_bulk(*operation, Item::kBody, {}, payload_bytes);
  }
  ++messages_sent_;
  send_bulk(*operation, message.payload);
  return true;
}

Link::Piece Link::next_piece(const Transfer& transfer) const {
  Piece piece{.offset_bytes = transfer.words[0]};
  const std::uint64_t left = transfer.local.size_bytes() - piece.offset_bytes;
  std::uint64_t skip = piece.offset_bytes;
  for (const memory::Span& span : transfer.local.spans()) {
    if (skip >= span.size_bytes) {
      skip -= span.size_bytes;
      continue;
    }
    if (span.size_bytes - skip > hub_.transport.eager_bytes_max) {
      piece.size_bytes = span.size_bytes - skip;
      piece.bulk = span.data + skip;
      return piece;
    }
    break;
  }
  piece.size_bytes = std::min<std::uint64_t>(left, hub_.transport.eager_bytes_max);
  return piece;
}

bool Link::key_of(const Transfer& transfer, Key& key) {
  if (transfer.window->key.size() != sizeof(Key)) {
    refuse(Status(EACCES, "a key of a window that is none"));
    return false;
  }
  std::memcpy(key.data(), transfer.window->key.data(), sizeof key);
  return true;
}

bool Link::send_put(Transfer& transfer) {
  Place place;
  if (!key_of(transfer, place.key)) return false;
  const std::uint64_t size_bytes = transfer.local.size_bytes();
  if (size_bytes == 0) {
    hub_.tell(transfer, 0);
    return true;
  }
  while (transfer.words[0] < size_bytes) {
    if (state_ != State::kOpen) return false;
    if (puts_sent_ - puts_known_ >= kWindow) return false;
    const Piece piece = next_piece(transfer);
    place.offset_bytes = transfer.offset_bytes + piece.offset_bytes;
    puts_[puts_sent_ % kWindow] = &transfer;
    transfer.words[0] += piece.size_bytes;
    if (piece.bulk == nullptr) {
      transfer.words[1] += 1;
      std::byte* const into = append(Item::kPut, sizeof place, piece.size_bytes);
      std::memcpy(into, &place, sizeof place);
      transfer.local.copy_out(piece.offset_bytes, {into + sizeof place, piece.size_bytes});
      ++puts_sent_;
      continue;
    }
    transfer.words[1] += 2;  // UCX has sent it, and it has landed
    Operation* const operation = hub_.take_operation(Operation::Kind::kSendPut, *this);
    operation->transfer = &transfer;
    begin_bulk(*operation, Item::kPut, std::as_bytes(std::span(&place, 1)), piece.size_bytes);
    ++puts_sent_;
    send_bulk(*operation, memory::Memory(piece.bulk, piece.size_bytes));
  }
  return true;
}

bool Link::send_get(Transfer& transfer) {
  GetRequest request;
  if (!key_of(transfer, request.place.key)) return false;
  const std::uint64_t size_bytes = transfer.local.size_bytes();
  if (size_bytes == 0) {
    hub_.tell(transfer, 0);
    return true;
  }
  while (transfer.words[0] < size_bytes) {
    if (state_ != State::kOpen) return false;
    if (gets_free_.empty()) {
      if (gets_.size() == kGetsMax) return false;
      gets_free_.push_back(static_cast<std::uint32_t>(gets_.size()));
      gets_.emplace_back();
    }
    const std::uint32_t number = gets_free_.back();
    gets_free_.pop_back();
    const Piece piece = next_piece(transfer);
    Get& get = gets_[number];
    get.transfer = &transfer;
    get.local_offset = piece.offset_bytes;
    get.size_bytes = piece.size_bytes;
    transfer.words[0] += piece.size_bytes;
    transfer.words[1] += 1;
    request.place.offset_bytes = transfer.offset_bytes + piece.offset_bytes;
    request.size_bytes = piece.size_bytes;
    request.request = std::uint64_t{get.generation} << 32 | number;
    std::memcpy(append(Item::kGet, sizeof request, 0), &request, sizeof request);
  }
  return true;
}

// ---- frames ----

// Room in a frame of items for extra and payload, which the caller fills.
std::byte* Link::append(Item item, std::size_t extra_bytes, std::size_t payload_bytes, bool payload_follows) {
  const std::size_t room = sizeof(ItemHeader) + extra_bytes + (payload_follows ? 0 : payload_bytes);
  if (open_ != nullptr && open_->size_bytes + room > hub_.items_bytes_max()) send_batch();
  if (open_ == nullptr) {
    open_ = hub_.take_batch();
    open_->header.first_message = messages_sent_;
    open_->header.first_put = puts_sent_;
  }
  const ItemHeader header{.item = item,
                          .payload_follows = payload_follows,
                          .extra_bytes = static_cast<std::uint32_t>(extra_bytes),
                          .payload_bytes = payload_bytes};
  std::byte* const at = open_->bytes.get() + open_->size_bytes;
  std::memcpy(at, &header, sizeof header);
  open_->size_bytes += room;
  mark();
  return at + sizeof header;
}

void Link::send_batch() {
  Batch* const batch = std::exchange(open_, nullptr);
  batch->header.channel = peer_id_;
  batch->header.frame = Frame::kItems;
  write_receipts(batch->header);
  Operation* const operation = hub_.take_operation(Operation::Kind::kSendBatch, *this);
  operation->batch = batch;
  ucp_request_param_t param = Worker::send_parameters(*operation);
  param.flags = UCP_AM_SEND_FLAG_EAGER;
  ++requests_;
  const ucs_status_ptr_t request =
      endpoint_ == nullptr ? UCS_STATUS_PTR(UCS_ERR_CANCELED)
                           : library().am_send_nbx(endpoint_, kActiveMessage, &batch->header, sizeof batch->header,
                                                   batch->bytes.get(), batch->size_bytes, &param);
  if (request == nullptr) {  // the usual way, without an event
    operation->status = UCS_OK;
    take_done(*operation);
  } else {
    worker_.started(*operation, request);
  }
}

void Link::begin_bulk(Operation& operation, Item item, std::span<const std::byte> extra, std::uint64_t payload_bytes) {
  // Items before it go before it: they have the smaller numbers.
  if (open_ != nullptr) send_batch();
  FrameHeader header{
      .channel = peer_id_, .first_message = messages_sent_, .first_put = puts_sent_, .frame = Frame::kBulk};
  write_receipts(header);
  const ItemHeader item_header{
      .item = item, .extra_bytes = static_cast<std::uint32_t>(extra.size()), .payload_bytes = payload_bytes};
  operation.header.resize(sizeof header + sizeof item_header + extra.size());
  std::memcpy(operation.header.data(), &header, sizeof header);
  std::memcpy(operation.header.data() + sizeof header, &item_header, sizeof item_header);
  if (!extra.empty()) {
    std::memcpy(operation.header.data() + sizeof header + sizeof item_header, extra.data(), extra.size());
  }
}

void Link::send_bulk(Operation& operation, const memory::Memory& payload) {
  ucp_request_param_t param = Worker::send_parameters(operation);
  param.flags = UCP_AM_SEND_FLAG_RNDV;
  const void* buffer = payload.spans()[0].data;
  std::size_t count = payload.size_bytes();
  if (payload.spans().size() > 1) {
    for (const memory::Span& span : payload.spans()) operation.pieces.push_back({span.data, span.size_bytes});
    param.op_attr_mask |= UCP_OP_ATTR_FIELD_DATATYPE;
    param.datatype = ucp_dt_make_iov();
    buffer = operation.pieces.data();
    count = operation.pieces.size();
  }
  ++requests_;
  worker_.started(operation, endpoint_ == nullptr
                                 ? UCS_STATUS_PTR(UCS_ERR_CANCELED)
                                 : library().am_send_nbx(endpoint_, kActiveMessage, operation.header.data(),
                                                         operation.header.size(), buffer, count, &param));
}

// ---- receipts ----

// Puts are told of at once: their user waits for it. Of messages the sender must know before its window is used up.
bool Link::owes_receipt() const {
  return state_ == State::kOpen &&
         (puts_received_ != puts_receipt_ || messages_received_ - messages_receipt_ >= kWindow / 4);
}

void Link::write_receipts(FrameHeader& header) {
  header.messages_received = messages_receipt_ = messages_received_;
  header.puts_received = puts_receipt_ = puts_received_;
}

void Link::take_receipts(const FrameHeader& header) {
  // Frames may overtake each other, so an older receipt is no offence; one of what was never sent is.
  const auto is_newer = [](std::uint32_t told, std::uint32_t known) { return told - known - 1 < kWindow; };
  if (is_newer(header.messages_received, messages_known_)) {
    if (header.messages_received - messages_known_ > messages_sent_ - messages_known_) {
      return refuse(Status(EPROTO, "the other end received what was not sent"));
    }
    messages_known_ = header.messages_received;
    if (jobs_begun_ < jobs_.size()) mark();
  }
  if (is_newer(header.puts_received, puts_known_)) {
    if (header.puts_received - puts_known_ > puts_sent_ - puts_known_) {
      return refuse(Status(EPROTO, "the other end received what was not put"));
    }
    for (; puts_known_ != header.puts_received; ++puts_known_) {
      piece_done(*std::exchange(puts_[puts_known_ % kWindow], nullptr), 0);
    }
    if (jobs_begun_ < jobs_.size()) mark();
  }
}

void Link::piece_done(Transfer& transfer, int error) {
  if (error != 0 && transfer.words[1] >> kErrorShift == 0) {
    transfer.words[1] |= static_cast<std::uint64_t>(error) << kErrorShift;
  }
  --transfer.words[1];
  const bool last = static_cast<std::uint32_t>(transfer.words[1]) == 0;
  if (last && transfer.words[0] == transfer.local.size_bytes()) {
    hub_.tell(transfer, static_cast<int>(transfer.words[1] >> kErrorShift));
  }
}

void Link::say_abort(int error) {
  const auto word = static_cast<std::uint32_t>(error);
  std::memcpy(append(Item::kAbort, sizeof word, 0), &word, sizeof word);
}

// UCX holds nothing of theirs any more.
void Link::tell_all() {
  const int error = why_.ok() ? ESHUTDOWN : why_.error();
  for (; puts_known_ != puts_sent_; ++puts_known_) {
    piece_done(*std::exchange(puts_[puts_known_ % kWindow], nullptr), error);
  }
  for (Get& get : gets_) {
    if (get.transfer != nullptr) piece_done(*std::exchange(get.transfer, nullptr), error);
  }
  gets_.clear();
  gets_free_.clear();
  for (; jobs_begun_ < jobs_.size(); ++jobs_begun_) {
    const Job& job = jobs_[jobs_begun_];
    if (job.kind == Job::Kind::kMessage) {
      hub_.tell(*job.message, false);
    } else {
      hub_.tell(*job.transfer, error);
    }
  }
  jobs_.clear();
  jobs_begun_ = 0;
}

}  // namespace ross::fabric::ucx
