// dfs_read and dfs_write: the hot path. One buffer at one offset goes straight to the file system; lists and ranges
// take a coroutine that maps them.
#include <daos_fs.h>

#include <cstdint>
#include <vector>

#include "faces/dfs/event_queue.h"
#include "faces/dfs/mount.h"
#include "faces/dfs/thread_loop.h"

namespace ross::dfs {
namespace {

enum class Direction : bool { kRead, kWrite };
using Count = Result<std::uint64_t>;

// The bytes a list means, or EINVAL for a list that is none.
Result<std::uint64_t> bytes_in(const d_sg_list_t* list) {
  if (list == nullptr || (list->sg_nr > 0 && list->sg_iovs == nullptr)) return fail(EINVAL);
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < list->sg_nr; ++i) {
    const d_iov_t& iov = list->sg_iovs[i];
    if (iov.iov_len > 0 && iov.iov_buf == nullptr) return fail(EINVAL);
    if (__builtin_add_overflow(total, iov.iov_len, &total) || total > INT64_MAX) return fail(EINVAL);
  }
  return total;
}

int check_ranges(const dfs_iod_t* ranges, std::uint64_t bytes) {
  if (ranges == nullptr || (ranges->iod_nr > 0 && ranges->iod_rgs == nullptr)) return EINVAL;
  std::uint64_t total = 0;
  for (daos_size_t i = 0; i < ranges->iod_nr; ++i) {
    if (__builtin_add_overflow(total, ranges->iod_rgs[i].rg_len, &total)) return EINVAL;
  }
  return total == bytes ? 0 : EINVAL;
}

template <Direction kDirection>
fs::Async<std::uint64_t> transfer_once(fs::FileSystem& fs, fs::FileId file, std::uint64_t offset_bytes,
                                       memory::Memory memory) {
  if constexpr (kDirection == Direction::kRead) return fs.read(file, offset_bytes, memory);
  return fs.write(file, offset_bytes, memory);
}

// Cuts the next size_bytes off spans, from (index, used) on.
std::vector<memory::Span> cut(const std::vector<memory::Span>& spans, std::size_t& index, std::size_t& used,
                              std::uint64_t size_bytes) {
  std::vector<memory::Span> piece;
  while (size_bytes > 0) {
    const memory::Span& span = spans[index];
    const std::size_t take = std::min<std::uint64_t>(size_bytes, span.size_bytes - used);
    if (take > 0) piece.push_back({span.data + used, take});
    size_bytes -= take;
    used += take;
    if (used == span.size_bytes) {
      ++index;
      used = 0;
    }
  }
  return piece;
}

// A list of buffers, at one offset or spread over ranges. Ranges are done in order; a write that fails may have done
// the ranges before.
template <Direction kDirection>
fs::Async<std::uint64_t> transfer_list(fs::FileSystem& fs, fs::FileId file, const d_sg_list_t* list,
                                       const dfs_iod_t* ranges, std::uint64_t offset_bytes) {
  std::vector<memory::Span> spans;
  spans.reserve(list->sg_nr);
  for (std::uint32_t i = 0; i < list->sg_nr; ++i) {
    spans.push_back({static_cast<std::byte*>(list->sg_iovs[i].iov_buf), list->sg_iovs[i].iov_len});
  }
  if (ranges == nullptr) {
    const memory::Memory memory{std::span<const memory::Span>(spans)};
    co_return co_await transfer_once<kDirection>(fs, file, offset_bytes, memory);
  }
  std::uint64_t total = 0;
  std::size_t index = 0;
  std::size_t used = 0;
  for (daos_size_t i = 0; i < ranges->iod_nr; ++i) {
    const daos_range_t range = ranges->iod_rgs[i];
    if (range.rg_len == 0) continue;
    const std::vector<memory::Span> piece = cut(spans, index, used, range.rg_len);
    const memory::Memory memory{std::span<const memory::Span>(piece)};
    Count done = co_await transfer_once<kDirection>(fs, file, range.rg_idx, memory);
    if (!done) co_return fail(std::move(done).error());
    total += *done;
  }
  co_return total;
}

template <Direction kDirection>
fs::Async<std::uint64_t> transfer(const Object& object, const d_sg_list_t* list, const dfs_iod_t* ranges,
                                  std::uint64_t offset_bytes) {
  fs::FileSystem& fs = *object.mount->fs;
  if (ranges == nullptr && list->sg_nr == 1) {
    const memory::Memory memory(list->sg_iovs[0].iov_buf, list->sg_iovs[0].iov_len);
    return transfer_once<kDirection>(fs, *object.file, offset_bytes, memory);
  }
  return transfer_list<kDirection>(fs, *object.file, list, ranges, offset_bytes);
}

// Tells the program how far a transfer came.
template <Direction kDirection>
int report(const Count& count, d_sg_list_t* list, daos_size_t* bytes_done) {
  if (bytes_done != nullptr) *bytes_done = count ? *count : 0;
  if (!count) return count.error().error();
  if constexpr (kDirection == Direction::kRead) list->sg_nr_out = *count > 0 ? list->sg_nr : 0;
  return 0;
}

template <Direction kDirection>
void start(daos_event_t& ev) {
  const EventWords& words = words_of(ev);
  const IoArguments& io = words.io;
  const dfs_iod_t* ranges = words.has_ranges ? io.ranges : nullptr;
  const std::uint64_t offset_bytes = words.has_ranges ? 0 : io.offset_bytes;
  runtime::spawn(transfer<kDirection>(*io.object, io.list, ranges, offset_bytes), [&ev](const Count& count) {
    const EventWords& ended = words_of(ev);
    const int result = report<kDirection>(count, ended.io.list, ended.io.bytes_done);
    ended.io.object->running.fetch_sub(1, std::memory_order_release);
    ended.on->complete(ev, result);
  });
}

template <Direction kDirection>
int run(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* list, const dfs_iod_t* ranges, bool ranged, std::uint64_t offset_bytes,
        daos_size_t* bytes_done, daos_event_t* ev) {
  const Mount* mount = find_mount(dfs);
  Object* object = mount == nullptr ? nullptr : find_object(*mount, obj);
  if (object == nullptr || !object->file) return EINVAL;
  if (kDirection == Direction::kWrite && (object->flags & O_ACCMODE) == O_RDONLY) return EPERM;
  const Result<std::uint64_t> bytes = bytes_in(list);
  if (!bytes) return bytes.error().error();
  if (ranged) {
    if (const int error = check_ranges(ranges, *bytes); error != 0) return error;
  } else if (offset_bytes > INT64_MAX - *bytes) {
    return kDirection == Direction::kWrite ? EFBIG : EINVAL;
  }
  if (ev == nullptr) {
    object->running.fetch_add(1, std::memory_order_relaxed);
    const Count count = wait_for(transfer<kDirection>(*object, list, ranges, offset_bytes));
    object->running.fetch_sub(1, std::memory_order_release);
    return report<kDirection>(count, list, bytes_done);
  }
  if (!is_event(ev)) return EINVAL;
  EventQueue* queue = Library::current()->queues.find(words_of(*ev).queue);
  if (queue == nullptr) return EINVAL;
  const auto prepare = [&](EventWords& words) {
    words.io = {.object = object, .list = list, .bytes_done = bytes_done};
    words.has_ranges = ranged;
    if (ranged) {
      words.io.ranges = ranges;
    } else {
      words.io.offset_bytes = offset_bytes;
    }
    object->running.fetch_add(1, std::memory_order_relaxed);
  };
  return queue->launch(*ev, prepare, start<kDirection>) == 0 ? 0 : EBUSY;
}

}  // namespace
}  // namespace ross::dfs

using ross::dfs::Direction;

extern "C" {

int dfs_read(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* sgl, daos_off_t off, daos_size_t* read_size, daos_event_t* ev) {
  if (read_size == nullptr) return EINVAL;
  return ross::dfs::run<Direction::kRead>(dfs, obj, sgl, nullptr, false, off, read_size, ev);
}

int dfs_readx(dfs_t* dfs, dfs_obj_t* obj, dfs_iod_t* iod, d_sg_list_t* sgl, daos_size_t* read_size, daos_event_t* ev) {
  if (read_size == nullptr) return EINVAL;
  return ross::dfs::run<Direction::kRead>(dfs, obj, sgl, iod, true, 0, read_size, ev);
}

int dfs_write(dfs_t* dfs, dfs_obj_t* obj, d_sg_list_t* sgl, daos_off_t off, daos_event_t* ev) {
  return ross::dfs::run<Direction::kWrite>(dfs, obj, sgl, nullptr, false, off, nullptr, ev);
}

int dfs_writex(dfs_t* dfs, dfs_obj_t* obj, dfs_iod_t* iod, d_sg_list_t* sgl, daos_event_t* ev) {
  return ross::dfs::run<Direction::kWrite>(dfs, obj, sgl, iod, true, 0, nullptr, ev);
}

}  // extern "C"
