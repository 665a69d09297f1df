#include "fabric/ofi/buffers.h"

#include <sys/mman.h>

#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace ross::fabric::ofi {
namespace {

constexpr std::size_t kMultiBytes = 256 * kKiB;
// Less than a piece is lost at the end of each.
constexpr std::size_t kMultiPieces = kMultiBytes / kPieceBytes - 1;
constexpr std::size_t kSlotsPerSlab = 40;

}  // namespace

Result<Slab> Slab::create(OfiDomain& domain, fid_ep* endpoint, std::size_t size_bytes) {
  void* const memory = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail(errno, "no memory for the buffers of an endpoint");
  Slab slab;
  slab.bytes = {static_cast<std::byte*>(memory), size_bytes};
  if (domain.provider().local_registration) {
    ROSS_TRY(slab.registration, domain.register_memory(slab.bytes, Use::kLocal, endpoint));
  }
  return slab;
}

Slab::~Slab() {
  registration.mr.reset();
  if (!bytes.empty()) ::munmap(bytes.data(), bytes.size());
}

ReceivePool::ReceivePool(OfiDomain& domain, fid_ep* endpoint, Pair* pair)
    : domain_(domain), endpoint_(endpoint), pair_(pair), multi_(domain.provider().multi_receive) {
  if (multi_) {
    std::size_t least = kPieceBytes;
    // A provider that does not know the option uses its own; then a piece may be told of in an error, which ends the channel.
    (void)fi_setopt(&endpoint->fid, FI_OPT_ENDPOINT, FI_OPT_MIN_MULTI_RECV, &least, sizeof least);
  }
}

std::size_t ReceivePool::pieces_max() const {
  const std::size_t buffers = domain_.provider().info->rx_attr->size;
  return multi_ ? (buffers > 2 ? buffers - 2 : 0) * kMultiPieces : buffers;
}

Status ReceivePool::add_room(std::size_t pieces) {
  const std::size_t wanted = room_ + pieces;
  if (wanted > pieces_max())
    return Status(ENOBUFS, "an endpoint has as many channels as its receive queue has room for");
  // Of the large buffers one is always partly used up, and one more may be on its way back.
  const std::size_t buffers = multi_ ? (wanted + kMultiPieces - 1) / kMultiPieces + 2 : wanted;
  if (buffers > posted_) ROSS_STATUS(add_buffers(buffers - posted_));
  room_ = wanted;
  return {};
}

Status ReceivePool::add_buffers(std::size_t count) {
  const std::size_t each = multi_ ? kMultiBytes : kPieceBytes;
  auto slab = Slab::create(domain_, endpoint_, count * each);
  if (!slab.has_value()) return std::move(slab).error();
  slabs_.push_back(*std::move(slab));
  for (std::size_t i = 0; i < count; ++i) {
    ReceiveBuffer& buffer = buffers_.emplace_back();
    buffer.bytes = slabs_.back().bytes.subspan(i * each, each);
    buffer.descriptor = slabs_.back().registration.descriptor;
    post(buffer);
  }
  posted_ += count;
  return {};
}

void ReceivePool::post(ReceiveBuffer& buffer) {
  buffer.returned = false;
  const Turn turn(pair_);
  if (!turn) return waiting_.push_back(&buffer);
  if (pair_ != nullptr) pair_->did();  // a message may have waited for it
  iovec span{buffer.bytes.data(), buffer.bytes.size()};
  fi_msg message{};
  message.msg_iov = &span;
  message.desc = &buffer.descriptor;
  message.iov_count = 1;
  message.addr = FI_ADDR_UNSPEC;
  message.context = &buffer.space;
  const ssize_t result = fi_recvmsg(endpoint_, &message, multi_ ? FI_MULTI_RECV : 0);
  if (result == 0) return;
  if (result != -FI_EAGAIN) log().error("{}", status_of("fi_recvmsg", result).message());
  waiting_.push_back(&buffer);
}

void ReceivePool::release(ReceiveBuffer& buffer) {
  --buffer.held;
  if (buffer.returned && buffer.held == 0) post(buffer);
}

void ReceivePool::returned(ReceiveBuffer& buffer) {
  buffer.returned = true;
  if (buffer.held == 0) post(buffer);
}

bool ReceivePool::retry() {
  if (waiting_.empty()) return true;
  for (ReceiveBuffer* const buffer : std::exchange(waiting_, {})) post(*buffer);
  return waiting_.empty();
}

Status SendPool::add_room(std::size_t pieces) {
  room_ += pieces;
  while (slots_.size() < room_) {
    auto slab = Slab::create(domain_, endpoint_, kSlotsPerSlab * kPieceBytes);
    if (!slab.has_value()) return std::move(slab).error();
    slabs_.push_back(*std::move(slab));
    for (std::size_t i = 0; i < kSlotsPerSlab; ++i) {
      SendSlot& slot = slots_.emplace_back();
      slot.data = slabs_.back().bytes.data() + i * kPieceBytes;
      slot.descriptor = slabs_.back().registration.descriptor;
      free_.push_back(&slot);
    }
  }
  return {};
}

Result<std::byte*> BouncePool::take() {
  if (slab_.empty()) {
    ROSS_TRY(Slab slab, Slab::create(domain_, endpoint_, kCount * kBytes));
    slab_.push_back(std::move(slab));
    for (std::size_t i = 0; i < kCount; ++i) free_.push_back(slab_.front().bytes.data() + i * kBytes);
  }
  if (free_.empty()) return nullptr;
  std::byte* const buffer = free_.back();
  free_.pop_back();
  return buffer;
}

}  // namespace ross::fabric::ofi
