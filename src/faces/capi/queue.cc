// Queues: many operations in flight from one thread, on the queue's own loop.
//
// An operation takes a slot from a fixed set, starts at once (a file system that can answer without waiting does so
// inside submit) and puts its slot on the done list; poll takes slots from there. So the depth bounds everything,
// and an accepted operation has exactly one completion because its slot is in exactly one place: free, in flight or done.
#include <limits>

#include "faces/capi/handles.h"

namespace {

using ross::Result;
using ross::Status;
using ross::capi::guarded;
using ross::capi::tell;
using ross::memory::Memory;

constexpr std::uint32_t kDepthDefault = 128;

struct Slot {
  ross_queue* queue = nullptr;
  Slot* next = nullptr;  // in the free list or in the done list
  ross_file* file = nullptr;
  ross_buffer* buffer = nullptr;
  std::uint64_t user_data = 0;
  std::int64_t result = 0;
  Status status;  // of a failure
};

}  // namespace

struct ross_queue {
  ross_store* store = nullptr;
  std::unique_ptr<ross::runtime::Loop> loop;
  std::uint64_t generation = 0;  // of the process that made it
  std::vector<Slot> slots;
  Slot* free = nullptr;
  Slot* done_head = nullptr;  // in order of completion
  Slot** done_tail = &done_head;
  std::uint32_t accepted = 0;         // in flight or done
  std::uint32_t running = 0;          // in flight
  std::vector<std::string> messages;  // of the completions given last
};

namespace {

void finish(Slot& slot, std::int64_t result, Status status) {
  ross_queue& queue = *slot.queue;
  slot.result = result;
  slot.status = std::move(status);
  slot.file->inflight.fetch_sub(1, std::memory_order_release);
  if (slot.buffer != nullptr) slot.buffer->inflight.fetch_sub(1, std::memory_order_release);
  slot.next = nullptr;
  *queue.done_tail = &slot;
  queue.done_tail = &slot.next;
  --queue.running;
}

void start(Slot& slot, const ross_op& op) {
  ross_queue& queue = *slot.queue;
  ross::fs::FileSystem& fs = queue.store->fs();
  const auto moved = [&slot](Result<std::uint64_t> bytes) {
    if (bytes.has_value()) {
      finish(slot, static_cast<std::int64_t>(*bytes), Status());
    } else {
      const int error = bytes.error().error();
      finish(slot, -error, std::move(bytes).error());
    }
  };
  const auto synced = [&slot](Status status) {
    const int error = status.error();
    finish(slot, -error, std::move(status));
  };
  switch (op.op) {
    case ROSS_OP_READ:
      queue.loop->start(fs.read(op.file->id, op.offset, Memory(op.data, op.length)), moved);
      return;
    case ROSS_OP_WRITE:
      queue.loop->start(fs.write(op.file->id, op.offset, Memory(op.data, op.length)), moved);
      return;
    default:
      queue.loop->start(fs.fsync(op.file->id, op.op == ROSS_OP_FDATASYNC), synced);
      return;
  }
}

// 0 when the operation can be accepted, else -errno with the sentence told.
int refuse(const ross_queue& queue, const ross_op& op, std::uint32_t size) {
  if (op.size != size) return tell(EINVAL, "the operations of one array have different sizes");
  if (op.op < ROSS_OP_READ || op.op > ROSS_OP_FDATASYNC) return tell(EINVAL, "an operation that is none: see ross.h");
  if (op.file == nullptr) return tell(EINVAL, "an operation without a file");
  if (op.file->store != queue.store) return tell(EBADF, "the file is of another store than the queue");
  if (op.op == ROSS_OP_FSYNC || op.op == ROSS_OP_FDATASYNC) return 0;
  if (op.data == nullptr && op.length != 0) return tell(EINVAL, "a transfer without memory");
  if (op.length > ROSS_IO_BYTES_MAX)
    return tell(EINVAL, "more than ROSS_IO_BYTES_MAX bytes in one operation: split it");
  if (op.offset > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return tell(EINVAL, "the offset is beyond 2^63 - 1");
  }
  if (op.buffer == nullptr) return 0;
  if (op.buffer->store != queue.store) return tell(EINVAL, "the buffer is registered with another store");
  const auto begin = reinterpret_cast<std::uintptr_t>(op.buffer->data);
  const auto data = reinterpret_cast<std::uintptr_t>(op.data);
  if (data < begin || data - begin > op.buffer->size_bytes || op.length > op.buffer->size_bytes - (data - begin)) {
    return tell(EINVAL, "the transfer's memory is not inside its registered buffer");
  }
  return 0;
}

bool usable(const ross_queue* queue) { return queue != nullptr && queue->generation == ross::capi::fork_generation(); }

constexpr const char* kUnusable = "the queue is null, or belongs to the process this one was forked from";

}  // namespace

int ross_queue_create(ross_store* store, const ross_queue_options* options, ross_queue** queue) {
  return guarded([&]() -> int {
    if (store == nullptr || queue == nullptr) return tell(EINVAL, "ross_queue_create needs a store and a place");
    ross_queue_options known{};
    if (const Status status = ross::capi::take_options(options, known); !status.ok()) return tell(status);
    const std::uint32_t depth = known.depth == 0 ? kDepthDefault : known.depth;
    if (depth > ROSS_QUEUE_DEPTH_MAX) return tell(EINVAL, "a queue's depth is at most ROSS_QUEUE_DEPTH_MAX");
    auto made = std::make_unique<ross_queue>();
    Result<std::unique_ptr<ross::runtime::Loop>> loop = ross::runtime::Loop::create();
    if (!loop.has_value()) return tell(loop.error());
    made->loop = *std::move(loop);
    made->generation = ross::capi::fork_generation();
    made->store = store;
    made->slots.resize(depth);
    made->messages.reserve(depth);  // so that the strings stay where they are while they are filled
    for (Slot& slot : made->slots) {
      slot.queue = made.get();
      slot.next = std::exchange(made->free, &slot);
    }
    ++store->open_handles;
    *queue = made.release();
    return 0;
  });
}

int ross_queue_destroy(ross_queue* queue) {
  return guarded([&]() -> int {
    if (!usable(queue)) return tell(EINVAL, kUnusable);
    while (queue->running > 0) queue->loop->wait();
    --queue->store->open_handles;
    delete queue;
    return 0;
  });
}

int64_t ross_queue_submit(ross_queue* queue, const ross_op* ops, size_t count) {
  return guarded([&]() -> int64_t {
    if (!usable(queue)) return tell(EINVAL, kUnusable);
    if (count == 0) return 0;
    if (ops == nullptr) return tell(EINVAL, "the operations are null");
    const std::uint32_t size = ops->size;
    if (size != sizeof(ross_op)) {
      return tell(EINVAL, "the operations' size is not set: write .size = sizeof(struct ross_op)");
    }
    std::int64_t accepted = 0;
    int error = 0;
    for (; static_cast<std::size_t>(accepted) < count; ++accepted) {
      const ross_op& op = ops[accepted];
      error = queue->free == nullptr ? tell(EAGAIN, "the queue is full: poll, then submit again")
                                     : refuse(*queue, op, size);
      if (error != 0) break;
      Slot& slot = *queue->free;
      queue->free = slot.next;
      slot.file = op.file;
      const bool transfer = op.op == ROSS_OP_READ || op.op == ROSS_OP_WRITE;
      slot.buffer = transfer ? op.buffer : nullptr;
      slot.user_data = op.user_data;
      slot.file->inflight.fetch_add(1, std::memory_order_relaxed);
      if (slot.buffer != nullptr) slot.buffer->inflight.fetch_add(1, std::memory_order_relaxed);
      ++queue->accepted;
      ++queue->running;
      start(slot, op);
    }
    if (accepted == 0) return error;
    if (queue->running > 0) queue->loop->poll();  // the whole batch goes to the devices in one system call
    return accepted;
  });
}

int64_t ross_queue_poll(ross_queue* queue, ross_completion* completions, size_t max, int64_t timeout_ns) {
  return guarded([&]() -> int64_t {
    if (!usable(queue)) return tell(EINVAL, kUnusable);
    if (completions == nullptr && max != 0) return tell(EINVAL, "no place for completions");
    queue->messages.clear();
    if (queue->running > 0) queue->loop->poll();
    if (max == 0) return 0;
    if (queue->done_head == nullptr && timeout_ns != 0) {
      const std::int64_t now = queue->loop->clock().monotonic_ns();
      std::int64_t deadline = INT64_MAX;
      if (timeout_ns > 0 && __builtin_add_overflow(now, timeout_ns, &deadline)) deadline = INT64_MAX;
      while (queue->done_head == nullptr && queue->running > 0) {
        const std::size_t ran = queue->loop->wait(deadline);
        if (ran == 0 && queue->loop->clock().monotonic_ns() >= deadline) break;
      }
    }
    std::int64_t taken = 0;
    while (queue->done_head != nullptr && static_cast<std::size_t>(taken) < max) {
      Slot& slot = *queue->done_head;
      queue->done_head = slot.next;
      if (queue->done_head == nullptr) queue->done_tail = &queue->done_head;
      ross_completion& completion = completions[taken++];
      completion = {.user_data = slot.user_data, .result = slot.result, .message = nullptr, .reserved = 0};
      if (slot.result < 0) {
        queue->messages.push_back(slot.status.message());
        completion.message = queue->messages.back().c_str();
      }
      slot.status = Status();
      slot.next = std::exchange(queue->free, &slot);
      --queue->accepted;
    }
    return taken;
  });
}

int64_t ross_queue_inflight(const ross_queue* queue) {
  if (!usable(queue)) return tell(EINVAL, kUnusable);
  return queue->accepted;
}
