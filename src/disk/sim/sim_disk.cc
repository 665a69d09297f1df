// How a power cut is played. What reads see is one array, `stored`: every completed write is in it. Beside it stands
// the list of completed writes that no flush has covered, each with the bytes it replaced. A cut takes them back,
// newest first, which leaves what the medium holds for certain; then it plays them again, oldest first, and rolls for
// each: keep, drop, or tear. A newer write to the same place can so be lost while an older one stays, but never be
// overtaken by it: drives reorder, but do not go back in time.
#include "disk/sim/sim_disk.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "disk/sim/sparse_bytes.h"

namespace ross::disk {
namespace {

constexpr std::uint64_t kMillion = 1'000'000;

struct Unflushed {
  std::uint64_t offset_bytes;
  std::vector<std::byte> before;
  std::vector<std::byte> after;
};

// Calls each(offset in both, size) where [a, a + a_size) and [b, b + b_size) overlap.
template <class Each>
void overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size, Each&& each) {
  const std::uint64_t begin = std::max(a, b);
  const std::uint64_t end = std::min(a + a_size, b + b_size);
  if (begin < end) each(begin, end - begin);
}

}  // namespace

struct SimDisk::State {
  State(const SimOptions& made_with, std::uint64_t seed) : options(made_with), random(seed) {}

  // All below: guarded by mutex. Callers hold it; requests complete outside it.
  std::mutex mutex;
  SimOptions options;
  Random random;
  SparseBytes stored;
  std::deque<Unflushed> unflushed;  // completed, oldest first
  std::size_t unflushed_bytes = 0;
  std::map<std::uint64_t, Request*> delayed;  // by number, hence in order of submission
  std::map<std::uint64_t, int> to_fail;       // by number: errno
  std::uint64_t requests = 0;
  bool powered = true;

  bool roll(std::uint32_t per_million) { return per_million > 0 && random.chance(per_million, kMillion); }

  int verdict(std::uint64_t number, Request::Kind kind) {
    if (const auto found = to_fail.find(number); found != to_fail.end()) {
      const int error = found->second;
      to_fail.erase(found);
      return error;
    }
    const bool read = kind == Request::Kind::kRead;
    return roll(read ? options.read_error_per_million : options.write_error_per_million) ? EIO : 0;
  }

  int perform(const Request& request, int error) {
    if (request.kind == Request::Kind::kRead) {
      if (error == 0) stored.load(request.offset_bytes, {request.data, request.size_bytes});
    } else if (error != 0) {
      write_torn(request);
    } else {
      write(request.offset_bytes, {request.data, request.data + request.size_bytes});
    }
    return error == 0 ? static_cast<int>(request.size_bytes) : -error;
  }

  void write(std::uint64_t offset_bytes, std::vector<std::byte> bytes) {
    if (roll(options.bit_flip_per_million)) {
      bytes[random.below(bytes.size())] ^= std::byte{1} << random.below(8);
    }
    std::vector<std::byte> before(bytes.size());
    stored.load(offset_bytes, before);
    stored.store(offset_bytes, bytes);
    unflushed_bytes += bytes.size();
    unflushed.push_back({offset_bytes, std::move(before), std::move(bytes)});
    while (unflushed_bytes > kUnflushedBytesMax) {
      unflushed_bytes -= unflushed.front().after.size();
      unflushed.pop_front();
    }
  }

  // What a failed or interrupted write leaves: any of its sectors.
  void write_torn(const Request& request) {
    std::vector<std::byte> mixed(request.size_bytes);
    stored.load(request.offset_bytes, mixed);
    mix_sectors(mixed, {request.data, request.size_bytes});
    write(request.offset_bytes, std::move(mixed));
  }

  void mix_sectors(std::span<std::byte> target, std::span<const std::byte> source) {
    for (std::size_t at = 0; at < target.size(); at += kSectorBytes) {
      if (random.chance(1, 2)) std::memcpy(target.data() + at, source.data() + at, kSectorBytes);
    }
  }

  void cut() {
    // A write in flight may have reached the drive's cache; what it is then worth, the dice below say.
    for (auto& [number, request] : delayed) {
      if (request->kind == Request::Kind::kWrite) write_torn(*request);
    }
    delayed.clear();
    for (auto one = unflushed.rbegin(); one != unflushed.rend(); ++one) stored.store(one->offset_bytes, one->before);
    for (auto& one : unflushed) {
      switch (random.below(3)) {
        case 0:
          break;
        case 1:
          stored.store(one.offset_bytes, one.after);
          break;
        default:
          stored.load(one.offset_bytes, one.before);
          mix_sectors(one.before, one.after);
          stored.store(one.offset_bytes, one.before);
      }
    }
    forget_unflushed();
    to_fail.clear();
    powered = false;
  }

  void forget_unflushed() {
    unflushed.clear();
    unflushed_bytes = 0;
  }
};

SimDisk::SimDisk(SimOptions options, std::uint64_t seed)
    : size_bytes_(options.size_bytes), state_(std::make_shared<State>(options, seed)) {}

SimDisk::~SimDisk() {
  // Delayed requests still complete, with EIO, should their loop run on.
  const std::lock_guard lock(state_->mutex);
  state_->delayed.clear();
}

void SimDisk::submit(runtime::Loop& loop, Request& request) {
  State& state = *state_;
  int result = 0;
  {
    const std::lock_guard lock(state.mutex);
    const std::uint64_t number = ++state.requests;
    if (!allowed(request)) {
      result = -EINVAL;
    } else if (!state.powered) {
      result = -EIO;
    } else if (const int error = state.verdict(number, request.kind);
               state.options.delay_ns_max == 0 || request.size_bytes == 0) {
      result = request.size_bytes == 0 ? -error : state.perform(request, error);
    } else {
      const auto delay_ns =
          static_cast<std::int64_t>(state.random.below(static_cast<std::uint64_t>(state.options.delay_ns_max))) + 1;
      state.delayed.emplace(number, &request);
      loop.at(loop.clock().monotonic_ns() + delay_ns, [shared = state_, number, error, &request] {
        int late_result = -EIO;
        {
          const std::lock_guard relock(shared->mutex);
          if (shared->delayed.erase(number) > 0) late_result = shared->perform(request, error);
        }
        request.done(request, late_result);
      });
      return;
    }
  }
  request.done(request, result);
}

Status SimDisk::flush() {
  const std::lock_guard lock(state_->mutex);
  if (!state_->powered) return Status(EIO, "the simulated disk has no power");
  if (state_->roll(state_->options.flush_error_per_million)) return Status(EIO, "a simulated flush failed");
  state_->forget_unflushed();
  return {};
}

void SimDisk::discard(std::uint64_t offset_bytes, std::uint64_t size_bytes) {
  const std::lock_guard lock(state_->mutex);
  if (!state_->powered || offset_bytes >= size_bytes_) return;
  size_bytes = std::min(size_bytes, size_bytes_ - offset_bytes);
  state_->stored.clear(offset_bytes, size_bytes);
  // For good: a power cut must not bring the bytes back.
  for (auto& one : state_->unflushed) {
    overlap(offset_bytes, size_bytes, one.offset_bytes, one.after.size(), [&one](std::uint64_t at, std::uint64_t size) {
      std::memset(one.before.data() + (at - one.offset_bytes), 0, size);
      std::memset(one.after.data() + (at - one.offset_bytes), 0, size);
    });
  }
}

void SimDisk::cut_power() {
  const std::lock_guard lock(state_->mutex);
  if (state_->powered) state_->cut();
}

void SimDisk::restore_power() {
  const std::lock_guard lock(state_->mutex);
  state_->powered = true;
}

void SimDisk::set_options(const SimOptions& options) {
  const std::lock_guard lock(state_->mutex);
  state_->options = options;
}

void SimDisk::fail_request(std::uint64_t nth, int error) {
  ROSS_CHECK(nth > 0 && error > 0, "fail_request(1, EIO) fails the next request");
  const std::lock_guard lock(state_->mutex);
  state_->to_fail[state_->requests + nth] = error;
}

void SimDisk::flip_bit(std::uint64_t offset_bytes, unsigned bit) {
  ROSS_CHECK(offset_bytes < size_bytes_, "a bit past the end of the disk");
  const std::lock_guard lock(state_->mutex);
  state_->stored.flip(offset_bytes, bit);
  for (auto& one : state_->unflushed) {
    overlap(offset_bytes, 1, one.offset_bytes, one.after.size(), [&](std::uint64_t at, std::uint64_t) {
      one.before[at - one.offset_bytes] ^= std::byte{1} << (bit % 8);
      one.after[at - one.offset_bytes] ^= std::byte{1} << (bit % 8);
    });
  }
}

std::uint64_t SimDisk::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

}  // namespace ross::disk
