#include "runtime/loop.h"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
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

// Waiting with a deadline in one system call; completions beyond the queue's size are kept, not dropped.
constexpr unsigned kFeatures = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;
constexpr int kEnterTriesMax = 1000;

// Stands in a loop's list of messages while its owner sleeps. Who takes it out owes the sleeper one write to its
// descriptor; the sleeper waits for that write, so that the loop outlives it.
Message asleep;

void wake(int wakeup_fd) {
  const std::uint64_t one = 1;
  ROSS_CHECK(write(wakeup_fd, &one, sizeof one) == sizeof one, "a sleeping loop cannot be woken");
}

// A ring may lie where an earlier one of another thread was, and both are mapped and unmapped by system calls that the thread
// sanitizer does not see: so it learns that the one was gone before the other came.
void rings_follow_each_other() {
  static std::atomic<unsigned> turn{0};
  turn.fetch_add(1, std::memory_order_acq_rel);
}

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
  options.submit_batch = std::clamp(options.submit_batch, 1U, options.ring_entries);
  std::unique_ptr<Loop> loop(new Loop(options));
  loop->wakeup_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop->wakeup_fd_ < 0) return fail(errno, "cannot make an eventfd: raise the open file limit (ulimit -n)");
  return loop;
}

Loop::~Loop() {
  while (!attachments_.empty()) detach(attachments_.back().first);
  ROSS_CHECK(ring_inflight_ == 0, "a loop was destroyed with operations in flight");
  ROSS_CHECK(pollers_.empty(), "a loop was destroyed with pollers");
  if (has_ring_) {
    rings_follow_each_other();
    io_uring_queue_exit(&ring_);
  }
  if (watch_fd_ >= 0) close(watch_fd_);
  if (wakeup_fd_ >= 0) close(wakeup_fd_);
}

Loop::Attachment* Loop::attachment(const void* key) const {
  for (const auto& [name, attachment] : attachments_) {
    if (name == key) return attachment.get();
  }
  return nullptr;
}

void Loop::attach(const void* key, std::unique_ptr<Attachment> attachment) {
  ROSS_CHECK(this->attachment(key) == nullptr, "two attachments under one key");
  attachments_.emplace_back(key, std::move(attachment));
}

void Loop::detach(const void* key) {
  const auto found = std::find_if(attachments_.begin(), attachments_.end(), [key](auto& a) { return a.first == key; });
  if (found == attachments_.end()) return;
  const std::unique_ptr<Attachment> detached = std::move(found->second);
  attachments_.erase(found);
}

void Loop::post(Message& message) {
  const int wakeup_fd = wakeup_fd_;
  Message* head = messages_.load(std::memory_order_relaxed);
  do {
    message.next = head == &asleep ? nullptr : head;
  } while (!messages_.compare_exchange_weak(head, &message, std::memory_order_release, std::memory_order_relaxed));
  // The message may have run and the loop be gone by now, unless it sleeps and waits for our write.
  if (head == &asleep) wake(wakeup_fd);
}

void Loop::stop() {
  // Pairs with the look at stopped_ after the list said asleep, in sleep_until_event.
  stopped_.store(true, std::memory_order_seq_cst);
  Message* head = &asleep;
  if (messages_.compare_exchange_strong(head, nullptr, std::memory_order_seq_cst)) wake(wakeup_fd_);
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
  if (error >= 0 && (params.features & kFeatures) != kFeatures) {
    io_uring_queue_exit(&ring_);
    return fail(ENOSYS, "this kernel's io_uring is too old: ROSS needs Linux 5.11 or newer");
  }
  if (error < 0) {
    return fail(-error, fmt::format("cannot make an io_uring ({}): check kernel.io_uring_disabled and ulimit -l",
                                    Status(-error).message()));
  }
  rings_follow_each_other();
  has_ring_ = true;
  return &ring_;
}

io_uring_sqe* Loop::free_sqe() {
  if (io_uring_sq_ready(&ring_) >= options_.submit_batch) enter_kernel();
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
  ROSS_CHECK(sqe != nullptr, "the submission queue is full after a submit");
  return sqe;
}

io_uring_sqe* Loop::next_sqe(Completion& completion) {
  io_uring_sqe* const sqe = free_sqe();
  io_uring_sqe_set_data(sqe, &completion);
  ++ring_inflight_;
  return sqe;
}

// Submits what is queued and lets the kernel post what it completed for this thread, in one system call.
void Loop::enter_kernel() {
  for (int tries = 0; tries < kEnterTriesMax; ++tries) {
    const int submitted = io_uring_submit_and_get_events(&ring_);
    if (io_uring_sq_ready(&ring_) == 0) return;
    // EAGAIN: the kernel is short of memory for now. Nothing else can be wrong with entries that the ring gave out.
    ROSS_CHECK(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY,
               "io_uring_enter refused a well-formed submission");
  }
}

// True when completions exist that only a system call brings into the queue: with IORING_SETUP_COOP_TASKRUN the kernel
// waits for us to enter it, and what overflowed the queue it keeps.
bool Loop::kernel_holds_completions() const {
  return has_ring_ && io_uring_cq_ready(&ring_) == 0 &&
         (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

// Runs what the completion queue holds now; what completes meanwhile is for the next pass, so that completions that
// submit again cannot keep a pass from ending.
std::size_t Loop::run_completions() {
  if (!has_ring_) return 0;
  constexpr unsigned kBatch = 64;
  std::size_t count = 0;
  for (unsigned left = io_uring_cq_ready(&ring_); left > 0;) {
    // Copy out first: a completion may submit, and the entries are ours only until we advance.
    struct Done {
      Completion* completion;
      int result;
    } done[kBatch];
    unsigned taken = 0;
    unsigned head = 0;
    io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring_, head, entry) {
      if (taken == std::min(left, kBatch)) break;
      done[taken++] = {static_cast<Completion*>(io_uring_cqe_get_data(entry)), entry->res};
    }
    io_uring_cq_advance(&ring_, taken);
    left -= taken;
    for (unsigned i = 0; i < taken; ++i) {
      if (done[i].completion == nullptr) {
        armed_fd_ = -1;
        if (!std::exchange(wakeup_taken_, false)) drop_wakeup();
        continue;
      }
      --ring_inflight_;
      ++count;
      done[i].completion->done(*done[i].completion, done[i].result);
    }
  }
  return count;
}

std::size_t Loop::run_timers() {
  std::size_t count = 0;
  // No more than there are now: a timer may set itself again for this very moment.
  for (std::size_t left = timers_.size(); left > 0; --left) {
    if (timers_.empty() || timers_.begin()->first > clock().monotonic_ns()) break;
    auto node = timers_.extract(timers_.begin());
    node.mapped()();
    ++count;
  }
  return count;
}

void Loop::at(std::int64_t monotonic_ns, std::function<void()> run) { timers_.emplace(monotonic_ns, std::move(run)); }

Status Loop::watch_descriptors() {
  if (watch_fd_ >= 0) return {};
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return Status(errno, "cannot make an epoll: raise the open file limit (ulimit -n)");
  epoll_event event{.events = EPOLLIN, .data = {.fd = wakeup_fd_}};
  if (epoll_ctl(fd, EPOLL_CTL_ADD, wakeup_fd_, &event) != 0) {
    const int error = errno;
    close(fd);
    return Status(error);
  }
  watch_fd_ = fd;
  return {};
}

Status Loop::add(Poller& poller) {
  if (poller.fd() >= 0) {
    ROSS_STATUS(watch_descriptors());
    epoll_event event{.events = EPOLLIN, .data = {.fd = poller.fd()}};
    if (epoll_ctl(watch_fd_, EPOLL_CTL_ADD, poller.fd(), &event) != 0) return Status(errno);
  }
  pollers_.push_back(&poller);
  return {};
}

void Loop::remove(Poller& poller) {
  const auto found = std::find(pollers_.begin(), pollers_.end(), &poller);
  ROSS_CHECK(found != pollers_.end(), "a poller was removed that was not added");
  if (poller.fd() >= 0) epoll_ctl(watch_fd_, EPOLL_CTL_DEL, poller.fd(), nullptr);
  if (in_pollers_) {
    *found = nullptr;
  } else {
    pollers_.erase(found);
  }
}

std::size_t Loop::run_pollers() {
  std::size_t count = 0;
  const bool nested = std::exchange(in_pollers_, true);
  // By index: a poller may add others, which have their turn in the next pass.
  for (std::size_t i = 0, size = pollers_.size(); i < size; ++i) {
    if (pollers_[i] != nullptr) count += pollers_[i]->poll();
  }
  in_pollers_ = nested;
  if (!nested) std::erase(pollers_, nullptr);
  return count;
}

std::size_t Loop::run_ready() {
  std::size_t count = run_messages();
  count += run_completions();
  if (!pollers_.empty()) count += run_pollers();
  if (!timers_.empty()) count += run_timers();
  return count;
}

std::size_t Loop::poll() {
  const Scope scope(*this);
  if (has_queued() || kernel_holds_completions()) enter_kernel();
  const std::size_t count = run_ready();
  if (has_queued()) enter_kernel();
  return count;
}

std::size_t Loop::drive(std::int64_t deadline_ns, bool heed_stop) {
  const Scope scope(*this);
  // What an earlier pass queued goes to the kernel in this call whatever else there is to do. What this one queues may
  // wait for the next, which can submit it and sleep in one system call.
  bool owes_submit = has_queued();
  std::int64_t spin_until = 0;
  std::int64_t waits_since = 0;
  for (;;) {
    if (kernel_holds_completions()) {
      enter_kernel();
      owes_submit = false;
    }
    if (const std::size_t count = run_ready(); count > 0) {
      if (owes_submit) enter_kernel();
      return count;
    }
    if (heed_stop && stopped_.load(std::memory_order_relaxed)) return 0;
    const std::int64_t now = clock().monotonic_ns();
    if (now >= deadline_ns) return 0;
    const std::int64_t until = timers_.empty() ? deadline_ns : std::min(deadline_ns, timers_.begin()->first);
    if (until != INT64_MAX && clock().jump_to(until)) continue;
    if (spin_until == 0) {
      waits_since = now;
      spin_until = now + spin_ns_;
    }
    // With device operations in flight the kernel wakes us as soon as spinning would notice; without, a message
    // from another core is cheaper to catch awake.
    if (ring_inflight_ == 0 && now < spin_until) {
      // Whoever shares this core goes first: it may be the one that the message is to come from.
      sched_yield();
      for (int i = 0; i < 32; ++i) relax();
      continue;
    }
    const bool called = sleep_until_event(until, heed_stop);
    const std::int64_t waited = clock().monotonic_ns() - waits_since;
    learn_from(waited);
    // What woke us may be no more than a part of what is awaited: the next part is not slept for at once.
    if (called && waited < options_.spin_ns_max) spin_until = 0;
    owes_submit = owes_submit && has_queued();  // it did not sleep if a message came first
  }
}

// A sleep costs a wake-up, tens of microseconds where processors are virtual; for so long it is cheaper to stay awake.
void Loop::learn_from(std::int64_t waited_ns) {
  spin_ns_ = waited_ns > options_.spin_ns_max ? options_.spin_ns : std::min(2 * spin_ns_, options_.spin_ns_max);
}

void Loop::arm_wakeup() {
  const int fd = watch_fd_ >= 0 ? watch_fd_ : wakeup_fd_;
  if (armed_fd_ == fd) return;
  io_uring_sqe* const sqe = free_sqe();
  io_uring_prep_poll_add(sqe, static_cast<unsigned>(fd), POLLIN);
  io_uring_sqe_set_data(sqe, nullptr);  // null stands for the wake-up; it is not counted as in flight
  armed_fd_ = fd;
}

// Sleeps until a message, a stop, a completion, a poller's descriptor or the deadline; submits what is queued in the same
// system call. False when the time was over.
bool Loop::sleep_until_event(std::int64_t deadline_ns, bool heed_stop) {
  Message* head = nullptr;
  if (!messages_.compare_exchange_strong(head, &asleep, std::memory_order_seq_cst)) return true;
  Wake wake;
  if (!(heed_stop && stopped_.load(std::memory_order_seq_cst))) {
    std::int64_t left_ns = INT64_MAX;
    if (deadline_ns != INT64_MAX) left_ns = std::max<std::int64_t>(0, deadline_ns - clock().monotonic_ns());
    for (Poller* const poller : pollers_) left_ns = std::min(left_ns, poller->arm());
    if (left_ns > 0) wake = sleep_in_kernel(left_ns);
    for (Poller* const poller : pollers_) poller->disarm();
  }
  head = &asleep;
  if (!messages_.compare_exchange_strong(head, nullptr, std::memory_order_relaxed)) {
    take_wakeup();
    return true;
  }
  if (wake.readable) drop_wakeup();
  return wake.called;
}

// With a ring the wake-up is told by a completion.
Loop::Wake Loop::sleep_in_kernel(std::int64_t left_ns) {
  const bool forever = left_ns == INT64_MAX;
  if (has_ring_) {
    arm_wakeup();
    __kernel_timespec timeout{.tv_sec = left_ns / 1'000'000'000, .tv_nsec = left_ns % 1'000'000'000};
    io_uring_cqe* first = nullptr;
    return {.called = io_uring_submit_and_wait_timeout(&ring_, &first, 1, forever ? nullptr : &timeout, nullptr) >= 0};
  }
  timespec timeout{.tv_sec = left_ns / 1'000'000'000, .tv_nsec = left_ns % 1'000'000'000};
  pollfd fds[2] = {{.fd = wakeup_fd_, .events = POLLIN, .revents = 0},
                   {.fd = watch_fd_, .events = POLLIN, .revents = 0}};
  // Most sleeps end by a poller's descriptor: then the wake-up need not be read.
  const bool called = ppoll(fds, watch_fd_ >= 0 ? 2 : 1, forever ? nullptr : &timeout, nullptr) > 0;
  return {.called = called, .readable = called && fds[0].revents != 0};
}

// Reads the one write that is owed to us. As a rule it is what woke us; else it is a moment away.
void Loop::take_wakeup() {
  std::uint64_t count = 0;
  while (read(wakeup_fd_, &count, sizeof count) < 0) {
    ROSS_CHECK(errno == EAGAIN || errno == EINTR, "a loop cannot read its wake-up");
    pollfd fd{.fd = wakeup_fd_, .events = POLLIN, .revents = 0};
    ::poll(&fd, 1, -1);
  }
  wakeup_taken_ = true;
}

// A write that nobody owed, from the copy of this loop in a forked child: left there it would end every sleep.
void Loop::drop_wakeup() {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = read(wakeup_fd_, &count, sizeof count);
}

void Loop::run() {
  while (!stopped_.load(std::memory_order_relaxed)) wait();
}

}  // namespace ross::runtime
