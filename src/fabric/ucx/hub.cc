#include "fabric/ucx/hub.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "fabric/ucx/link.h"

namespace ross::fabric::ucx {
namespace {

constexpr std::size_t kBatchesKept = 64;
constexpr std::size_t kHeaderBytesKept = 4096;  // an operation's, when it goes back to the pool
constexpr std::size_t kPiecesKept = 64;
// How long revoke() lets UCX close a connection. It takes it a few rounds without waiting for anybody.
constexpr std::int64_t kStopNs = 5'000'000'000;

}  // namespace

Hub::Hub(const Transport& of, const ChannelLimits& channel_limits, const Clock& loops_clock)
    : transport(of),
      limits(channel_limits),
      clock(loops_clock),
      items_bytes_max_(std::max(
          of.items_bytes,
          sizeof(ItemHeader) + std::max(channel_limits.head_bytes_max, sizeof(GetRequest)) + of.eager_bytes_max)) {}

Batch* Hub::take_batch() {
  if (batches_.empty()) {
    auto made = std::make_unique<Batch>();
    made->bytes = std::make_unique_for_overwrite<std::byte[]>(items_bytes_max_);
    return made.release();
  }
  Batch* const batch = batches_.back().release();
  batches_.pop_back();
  batch->size_bytes = 0;
  batch->answers = 0;
  return batch;
}

void Hub::give(Batch* batch) {
  std::unique_ptr<Batch> owned(batch);
  if (batches_.size() < kBatchesKept) batches_.push_back(std::move(owned));
}

Operation* Hub::take_operation(Operation::Kind kind, Link& link) {
  Operation* operation = free_operations_;
  if (operation == nullptr) {
    operation = &operations_.emplace_back();
  } else {
    free_operations_ = operation->next;
  }
  operation->kind = kind;
  operation->status = UCS_INPROGRESS;
  operation->link = &link;
  operation->batch = nullptr;
  operation->message = nullptr;
  operation->transfer = nullptr;
  operation->window = nullptr;
  operation->header.clear();
  operation->pieces.clear();
  return operation;
}

void Hub::give(Operation* operation) {
  if (operation->header.capacity() > kHeaderBytesKept) operation->header = {};
  if (operation->pieces.capacity() > kPiecesKept) operation->pieces = {};
  operation->link = nullptr;
  operation->next = std::exchange(free_operations_, operation);
}

std::vector<Link*> Hub::users_of(const Exposed& window) const {
  std::vector<Link*> users;
  for (const Operation& operation : operations_) {
    if (operation.window == &window) users.push_back(operation.link);
  }
  return users;
}

bool Hub::stop_using(const Exposed& window, const std::vector<Link*>& users) {
  const std::int64_t until_ns = system_clock().monotonic_ns() + kStopNs;
  while (window.transfers > 0) {
    for (Link* const link : users) link->worker().progress();
    if (system_clock().monotonic_ns() > until_ns) return false;
  }
  return true;
}

void Hub::finish_operations(const Link& link) {
  for (Operation& operation : operations_) {
    if (operation.link == &link && operation.status == UCS_INPROGRESS) Worker::finished(operation, UCS_ERR_CANCELED);
  }
}

std::size_t Hub::run_told() {
  if (told_.empty()) return 0;
  std::vector<Told> telling = std::exchange(told_, std::move(telling_));
  for (const Told& one : telling) {
    if (one.message != nullptr) {
      one.message->sent(*one.message, one.error == 0);
    } else {
      one.transfer->done(*one.transfer, one.error);
    }
  }
  const std::size_t count = telling.size();
  telling.clear();
  telling_ = std::move(telling);
  return count;
}

}  // namespace ross::fabric::ucx
