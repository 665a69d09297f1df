#include "runtime/loop.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ross::runtime {
namespace {

thread_local Loop* current_loop = nullptr;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Loop::Scope::Scope(Loop& loop) : previous_(std::exchange(current_loop, &loop)) {}
Loop::Scope::~Scope() { current_loop = previous_; }

Loop* Loop::current() { return current_loop; }

Result<std::unique_ptr<Loop>> Loop::create(Options options) {
  std::unique_ptr<Loop> loop(new Loop(options));
  loop->wakeup_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop->wakeup_fd_ < 0) return fail(errno, "cannot make an eventfd: raise the open file limit (ulimit -n)");
  return loop;
}

Loop::~Loop() {
  ROSS_CHECK(ring_inflight_ == 0, "a loop was destroyed with operations in flight");
  if (has_ring_) io_uring_queue_exit(&ring_);
  if (wakeup_fd_ >= 0) close(wakeup_fd_);
}

void Loop::post(Message& message) {
  Message* head = messages_.load(std::memory_order_relaxed);
  do {
    message.next = head;
  } while (!messages_.compare_exchange_weak(head, &message, std::memory_order_seq_cst, std::memory_order_relaxed));
  // Pairs with the store to sleeping_ before the last look at messages_ in sleep_until_event.
  if (sleeping_.load(std::memory_order_seq_cst)) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wakeup_fd_, &one, sizeof one);  // full means awake already
  }
}

void Loop::stop() {
  stopped_.store(true, std::memory_order_seq_cst);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = write(wakeup_fd_, &one, sizeof one);
}

std::size_t Loop::run_messages() {
  if (messages_.load(std::memory_order_relaxed) == nullptr) return 0;
  Message* taken = messages_.exchange(nullptr, std::memory_order_acquire);
  Message* ordered = nullptr;  // the list is newest first
  while (taken != nullptr) {
    Message* next = taken->next;
    taken->next = ordered;
    ordered = std::exchange(taken, next);
  }
  std::size_t count = 0;
  while (ordered != nullptr) {
    Message& message = *std::exchange(ordered, ordered->next);  // run may free it
    message.run(message);
    ++count;
  }
  return count;
}

Result<io_uring*> Loop::ring() {
  if (has_ring_) return &ring_;
  io_uring_params params{};
  // Completions are run when we enter the kernel or look, not by interrupting this thread.
  params.flags = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE;
  params.cq_entries = options_.ring_entries * 8;
  int error = io_uring_queue_init_params(options_.ring_entries, &ring_, &params);
  if (error == -EINVAL) {  // a kernel before 5.19
    params = {};
    params.flags = IORING_SETUP_CQSIZE;
    params.cq_entries = options_.ring_entries * 8;
    error = io_uring_queue_init_params(options_.ring_entries, &ring_, &params);
  }
  if (error < 0) {
    return fail(-error, fmt::format("cannot make an io_uring ({}): check kernel.io_uring_disabled and ulimit -l",
                                    Status(-error).message()));
  }
  has_ring_ = true;
  return &ring_;
}

io_uring_sqe* Loop::next_sqe(Completion& completion) {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    submit_queued();
    sqe = io_uring_get_sqe(&ring_);
    ROSS_CHECK(sqe != nullptr, "the submission queue is full after a submit");
  }
  io_uring_sqe_set_data(sqe, &completion);
  ++ring_inflight_;
  ++ring_queued_;
  return sqe;
}

void Loop::submit_queued() {
  // EBUSY and EAGAIN ask us to take completions first; run_completions does, so a bounded number of tries is enough.
  for (int tries = 0; ring_queued_ > 0 && tries < 1000; ++tries) {
    const int submitted = io_uring_submit(&ring_);
    if (submitted > 0) ring_queued_ -= std::min<unsigned>(ring_queued_, static_cast<unsigned>(submitted));
    if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN && submitted != -EBUSY) {
      ROSS_CHECK(false, "io_uring_enter refused a well-formed submission");
    }
  }
}

// Takes and runs what has completed. The caller submits.
std::size_t Loop::run_completions() {
  if (!has_ring_ || (ring_inflight_ == 0 && !wakeup_armed_)) return 0;
  constexpr unsigned kBatch = 64;
  io_uring_cqe* batch[kBatch];
  std::size_t count = 0;
  for (;;) {
    const unsigned taken = io_uring_peek_batch_cqe(&ring_, batch, kBatch);
    if (taken == 0) break;
    // Copy out first: a completion may submit, and the entries are ours only until we advance.
    struct Done {
      Completion* completion;
      int result;
    } done[kBatch];
    for (unsigned i = 0; i < taken; ++i) {
      done[i] = {static_cast<Completion*>(io_uring_cqe_get_data(batch[i])), batch[i]->res};
    }
    io_uring_cq_advance(&ring_, taken);
    for (unsigned i = 0; i < taken; ++i) {
      if (done[i].completion == nullptr) {
        wakeup_armed_ = false;
        drain_wakeup();
        continue;
      }
      --ring_inflight_;
      ++count;
      done[i].completion->done(*done[i].completion, done[i].result);
    }
    if (taken < kBatch) break;
  }
  return count;
}

std::size_t Loop::run_timers() {
  std::size_t count = 0;
  while (!timers_.empty() && timers_.begin()->first <= clock().monotonic_ns()) {
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
    ++count;
  }
  return count;
}

void Loop::at(std::int64_t monotonic_ns, std::function<void()> run) { timers_.emplace(monotonic_ns, std::move(run)); }

std::size_t Loop::run_ready() {
  std::size_t count = run_messages();
  count += run_completions();
  if (!timers_.empty()) count += run_timers();
  return count;
}

std::size_t Loop::poll() {
  const Scope scope(*this);
  if (ring_queued_ > 0) submit_queued();
  const std::size_t count = run_ready();
  if (ring_queued_ > 0) submit_queued();
  return count;
}

std::size_t Loop::wait(std::int64_t deadline_ns) {
  const Scope scope(*this);
  std::int64_t spin_until = 0;
  for (;;) {
    if (const std::size_t count = run_ready(); count > 0) return count;
    if (stopped_.load(std::memory_order_relaxed)) return 0;
    const std::int64_t now = clock().monotonic_ns();
    if (now >= deadline_ns) return 0;
    const std::int64_t until = timers_.empty() ? deadline_ns : std::min(deadline_ns, timers_.begin()->first);
    if (until != INT64_MAX && clock().jump_to(until)) continue;
    if (spin_until == 0) spin_until = now + options_.spin_ns;
    // With device operations in flight the kernel wakes us as soon as spinning would notice; without, a message
    // from another core is cheaper to catch awake.
    if (ring_inflight_ == 0 && now < spin_until) {
      for (int i = 0; i < 32; ++i) relax();
      continue;
    }
    sleep_until_event(until);
  }
}

void Loop::arm_wakeup() {
  if (wakeup_armed_) return;
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    submit_queued();
    sqe = io_uring_get_sqe(&ring_);
    ROSS_CHECK(sqe != nullptr, "the submission queue is full after a submit");
  }
  ++ring_queued_;
  io_uring_prep_poll_add(sqe, wakeup_fd_, POLLIN);
  io_uring_sqe_set_data(sqe, nullptr);  // null stands for the wake-up; it is not counted as in flight
  wakeup_armed_ = true;
}

// Sleeps until a message, a stop, a completion or the deadline; submits what is queued in the same system call.
void Loop::sleep_until_event(std::int64_t deadline_ns) {
  sleeping_.store(true, std::memory_order_seq_cst);
  if (messages_.load(std::memory_order_seq_cst) == nullptr && !stopped_.load(std::memory_order_seq_cst)) {
    const bool forever = deadline_ns == INT64_MAX;
    const std::int64_t left_ns = forever ? 0 : std::max<std::int64_t>(0, deadline_ns - clock().monotonic_ns());
    if (has_ring_) {
      arm_wakeup();
      __kernel_timespec timeout{.tv_sec = left_ns / 1'000'000'000, .tv_nsec = left_ns % 1'000'000'000};
      io_uring_cqe* first = nullptr;
      const unsigned before = io_uring_sq_ready(&ring_);
      io_uring_submit_and_wait_timeout(&ring_, &first, 1, forever ? nullptr : &timeout, nullptr);
      ring_queued_ -= std::min(ring_queued_, before - io_uring_sq_ready(&ring_));
    } else {
      timespec timeout{.tv_sec = left_ns / 1'000'000'000, .tv_nsec = left_ns % 1'000'000'000};
      pollfd fd{.fd = wakeup_fd_, .events = POLLIN, .revents = 0};
      if (ppoll(&fd, 1, forever ? nullptr : &timeout, nullptr) > 0) drain_wakeup();
    }
  }
  sleeping_.store(false, std::memory_order_seq_cst);
}

void Loop::drain_wakeup() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(wakeup_fd_, &count, sizeof count);
}

void Loop::run() {
  while (!stopped_.load(std::memory_order_relaxed)) wait();
}

}  // namespace ross::runtime
