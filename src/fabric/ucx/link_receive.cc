// The receiving side of a link: what a peer sends is checked here, field by field.
#include "fabric/ucx/link.h"

namespace ross::fabric::ucx {
namespace {

// Of a slot's buffer when it is empty.
constexpr std::size_t kSlotBytesKept = 1024;

Status broken(std::string_view what) { return Status(EPROTO, what); }

}  // namespace

void Link::take_items(const FrameHeader& header, std::span<const std::byte> items) {
  if (state_ != State::kOpen && state_ != State::kLeaving) return;
  if (state_ == State::kOpen) take_receipts(header);
  std::uint32_t message = header.first_message;
  std::uint32_t put = header.first_put;
  while (!items.empty()) {
    if (items.size() < sizeof(ItemHeader)) return refuse(broken("an item that is cut off"));
    const auto item = load<ItemHeader>(items.data());
    items = items.subspan(sizeof item);
    const std::uint64_t payload_bytes = item.payload_follows != 0 ? 0 : item.payload_bytes;
    if (item.extra_bytes > items.size() || payload_bytes > items.size() - item.extra_bytes) {
      return refuse(broken("an item that is longer than its frame"));
    }
    if (item.payload_follows > 1 || (item.payload_follows == 1 && item.item != Item::kMessage)) {
      return refuse(broken("an item of no known form"));
    }
    const auto bytes = items.first(item.extra_bytes + payload_bytes);
    items = items.subspan(bytes.size());
    if (state_ == State::kLeaving) {  // it matters only whether the other end goes, too
      if (item.item == Item::kBye || item.item == Item::kAbort) return take_farewell(why_);
      continue;
    }
    switch (item.item) {
      case Item::kMessage:
      case Item::kBye:
        take_message(item, message++, put, bytes, nullptr);
        break;
      case Item::kPut:
        take_put(item, put++, bytes, nullptr);
        break;
      case Item::kGet:
        take_get(item, bytes);
        break;
      case Item::kGot:
        take_answer(item, bytes, nullptr);
        break;
      case Item::kAbort: {
        if (bytes.size() != sizeof(std::uint32_t)) return refuse(broken("an item of no known form"));
        const auto error = load<std::uint32_t>(bytes.data());
        const bool known = error > 0 && error < 4096;
        return take_farewell(Status(
            known ? static_cast<int>(error) : EPROTO,
            "the other end ended the connection: " + Status(known ? static_cast<int>(error) : EPROTO).message()));
      }
      default:
        return refuse(broken("an item of no known kind"));
    }
    if (state_ == State::kCut || state_ == State::kEnded) return;
  }
}

void Link::take_bulk(const FrameHeader& header, std::span<const std::byte> bytes, Event& event) {
  if (state_ != State::kOpen) return;
  take_receipts(header);
  if (state_ != State::kOpen) return;
  if (bytes.size() < sizeof(ItemHeader)) return refuse(broken("a bulk without an item"));
  const auto item = load<ItemHeader>(bytes.data());
  bytes = bytes.subspan(sizeof item);
  if (item.extra_bytes != bytes.size() || item.payload_bytes != event.bulk_bytes || item.payload_follows != 0) {
    return refuse(broken("a bulk whose lengths do not fit"));
  }
  switch (item.item) {
    case Item::kMessage:
    case Item::kBody:
      return take_message(item, header.first_message, header.first_put, bytes, &event);
    case Item::kPut:
      return take_put(item, header.first_put, bytes, &event);
    case Item::kGot:
      return take_answer(item, bytes, &event);
    default:
      return refuse(broken("a bulk of no known kind"));
  }
}

// ---- messages ----

void Link::take_message(const ItemHeader& header, std::uint32_t number, std::uint32_t puts_before,
                        std::span<const std::byte> bytes, Event* bulk) {
  if (header.extra_bytes > hub_.limits.head_bytes_max || header.payload_bytes > hub_.limits.payload_bytes_max) {
    return refuse(Status(EMSGSIZE, "the peer sent a message beyond the limits"));
  }
  if (header.item != Item::kMessage && header.extra_bytes != 0) return refuse(broken("a head where there is none"));
  if (header.item == Item::kBye && header.payload_bytes != 0) return refuse(broken("a payload where there is none"));
  // Of the puts before it no more than a window can be on the way.
  const auto puts_missing = static_cast<std::int32_t>(puts_before - puts_received_);
  if (number - messages_received_ >= kWindow || puts_missing > static_cast<std::int32_t>(kWindow)) {
    return refuse(broken("a message beyond the window"));
  }
  Slot& slot = slots_[number % kWindow];
  if (slot.kind != Slot::Kind::kEmpty) return refuse(broken("a message twice"));
  const auto take_held = [bulk] { return std::exchange(bulk->held, nullptr); };
  if (number == messages_received_ && puts_missing <= 0 && receiver_ != nullptr && !landing_ && !in_callback_) {
    void* const held = bulk != nullptr ? take_held() : nullptr;
    if (deliver(header, bytes, held)) advance();
    return;
  }
  slot.kind = bulk != nullptr ? Slot::Kind::kBulk : Slot::Kind::kItem;
  slot.header = header;
  slot.puts_before = puts_before;
  slot.bytes.assign(bytes.begin(), bytes.end());
  slot.held = bulk != nullptr ? take_held() : nullptr;
}

// Shows the receiver the message that is next. True when it is whole and the one behind may follow.
bool Link::deliver(const ItemHeader& header, std::span<const std::byte> bytes, void* bulk) {
  const auto drop = [this, bulk] {
    worker_.release(bulk);
    return false;
  };
  if (body_follows_ != (header.item == Item::kBody)) {
    refuse(broken("a message without its body, or a body without its message"));
    return drop();
  }
  if (header.item == Item::kBye) {
    take_farewell(Status(ESHUTDOWN, "the other end closed the connection"));
    return false;
  }
  if (header.item == Item::kBody) {
    body_follows_ = false;
    if (body_.size_bytes() != header.payload_bytes || bulk == nullptr) {
      refuse(broken("a body of another size than was said"));
      return drop();
    }
    land_message(body_, bulk, header.payload_bytes);
    return false;
  }
  head_.assign(bytes.begin(), bytes.begin() + header.extra_bytes);
  in_callback_ = true;
  Result<memory::Memory> into = receiver_->on_head(head_, header.payload_bytes);
  in_callback_ = false;
  if (state_ != State::kOpen) return drop();
  if (!into.has_value()) {
    refuse(into.error());
    return drop();
  }
  ROSS_CHECK(into->size_bytes() == header.payload_bytes, "a receiver gave memory of another size than the payload's");
  if (bulk != nullptr) {
    land_message(*into, bulk, header.payload_bytes);
    return false;
  }
  if (header.payload_follows != 0) {
    body_follows_ = true;
    body_ = *into;
    ++messages_received_;
    return true;
  }
  into->copy_in(0, bytes.subspan(header.extra_bytes));
  finish_message();
  return state_ == State::kOpen;
}

void Link::land_message(const memory::Memory& into, void* bulk, std::size_t size_bytes) {
  Operation* const operation = hub_.take_operation(Operation::Kind::kLandMessage, *this);
  if (into.spans().size() > 1) {
    for (const memory::Span& span : into.spans()) operation->pieces.push_back({span.data, span.size_bytes});
  }
  landing_ = true;
  ++requests_;
  worker_.land(*operation, bulk, into.spans().empty() ? nullptr : into.spans()[0].data, size_bytes);
}

void Link::finish_message() {
  ++messages_received_;
  in_callback_ = true;
  const Status status = receiver_->on_message();
  in_callback_ = false;
  if (!status.ok()) refuse(status);
  if (owes_receipt()) mark();
}

// Delivers what has waited and need not any more.
void Link::advance() {
  if (in_callback_) return;
  while (state_ == State::kOpen && receiver_ != nullptr && !landing_) {
    Slot& slot = slots_[messages_received_ % kWindow];
    if (slot.kind == Slot::Kind::kEmpty) return;
    if (static_cast<std::int32_t>(slot.puts_before - puts_received_) > 0) return;
    slot.kind = Slot::Kind::kEmpty;
    // Swapped, so that neither is allocated anew each time.
    std::swap(delivering_, slot.bytes);
    if (slot.bytes.capacity() > kSlotBytesKept) slot.bytes = {};
    deliver(slot.header, delivering_, std::exchange(slot.held, nullptr));
  }
}

void Link::drop_slots() {
  for (Slot& slot : slots_) {
    worker_.release(std::exchange(slot.held, nullptr));
    slot.kind = Slot::Kind::kEmpty;
    slot.bytes = {};
  }
}

// ---- puts ----

void Link::take_put(const ItemHeader& header, std::uint32_t number, std::span<const std::byte> bytes, Event* bulk) {
  if (header.extra_bytes != sizeof(Place)) return refuse(broken("a put of no known form"));
  if (number - puts_received_ >= kWindow || puts_landed_.test(number % kWindow)) {
    return refuse(broken("a put beyond the window"));
  }
  const auto place = load<Place>(bytes.data());
  Exposed* const window = hub_.windows.find(place, header.payload_bytes, Access::kWrite, id_);
  if (window == nullptr) return refuse(Status(EACCES, "the peer put where it may not"));
  std::byte* const into = window->memory.data() + place.offset_bytes;
  if (bulk == nullptr) {
    std::memcpy(into, bytes.data() + sizeof place, header.payload_bytes);
    return finish_put(number);
  }
  Operation* const operation = hub_.take_operation(Operation::Kind::kLandPut, *this);
  operation->window = window;
  operation->number = number;
  ++window->transfers;
  ++requests_;
  worker_.land(*operation, std::exchange(bulk->held, nullptr), into, header.payload_bytes);
}

void Link::finish_put(std::uint32_t number) {
  puts_landed_.set(number % kWindow);
  while (puts_landed_.test(puts_received_ % kWindow)) puts_landed_.reset(puts_received_++ % kWindow);
  mark();  // the receipt, and messages that have waited for it
}

// ---- gets ----

void Link::take_get(const ItemHeader& header, std::span<const std::byte> bytes) {
  if (header.extra_bytes != sizeof(GetRequest) || header.payload_bytes != 0) {
    return refuse(broken("a get of no known form"));
  }
  const auto request = load<GetRequest>(bytes.data());
  // An answer counts until UCX has sent it, which the peer may be ahead of.
  if (answers_ >= 2 * kGetsMax) return refuse(broken("more gets than may wait"));
  Exposed* const window = hub_.windows.find(request.place, request.size_bytes, Access::kRead, id_);
  if (window == nullptr) return refuse(Status(EACCES, "the peer asked for what it may not read"));
  const std::byte* const from = window->memory.data() + request.place.offset_bytes;
  const GetAnswer answer{.request = request.request};
  ++answers_;
  if (request.size_bytes <= hub_.transport.eager_bytes_max) {
    std::byte* const into = append(Item::kGot, sizeof answer, request.size_bytes);
    std::memcpy(into, &answer, sizeof answer);
    std::memcpy(into + sizeof answer, from, request.size_bytes);
    ++open_->answers;
    return;
  }
  Operation* const operation = hub_.take_operation(Operation::Kind::kSendAnswer, *this);
  begin_bulk(*operation, Item::kGot, std::as_bytes(std::span(&answer, 1)), request.size_bytes);
  operation->window = window;
  ++window->transfers;
  send_bulk(*operation, memory::Memory::for_write(from, request.size_bytes));
}

void Link::take_answer(const ItemHeader& header, std::span<const std::byte> bytes, Event* bulk) {
  if (header.extra_bytes != sizeof(GetAnswer)) return refuse(broken("an answer of no known form"));
  const auto answer = load<GetAnswer>(bytes.data());
  const auto number = static_cast<std::uint32_t>(answer.request);
  if (number >= gets_.size()) return refuse(broken("an answer to nothing"));
  Get& get = gets_[number];
  if (get.transfer == nullptr || get.landing || get.generation != answer.request >> 32 ||
      get.size_bytes != header.payload_bytes) {
    return refuse(broken("an answer to nothing"));
  }
  if (bulk == nullptr) {
    Transfer& transfer = *std::exchange(get.transfer, nullptr);
    ++get.generation;
    gets_free_.push_back(number);
    transfer.local.copy_in(get.local_offset, bytes.subspan(sizeof answer));
    if (jobs_begun_ < jobs_.size()) mark();
    return piece_done(transfer, 0);
  }
  std::byte* const into = get.transfer->local.contiguous(get.local_offset, get.size_bytes);
  if (into == nullptr) return refuse(broken("a bulk where items were asked for"));
  get.landing = true;
  Operation* const operation = hub_.take_operation(Operation::Kind::kLandAnswer, *this);
  operation->number = number;
  ++requests_;
  worker_.land(*operation, std::exchange(bulk->held, nullptr), into, get.size_bytes);
}

}  // namespace ross::fabric::ucx
