#include "apps/ross/copy/work_queue.h"

#include <utility>

namespace ross::cli::copy {

void WorkQueue::push(Work work) {
  const std::lock_guard lock(mutex_);
  stack_.push_back(std::move(work));
  waiting_.notify_all();
}

runtime::Task<std::optional<Work>> WorkQueue::take() {
  std::unique_lock lock(mutex_);
  while (!stopped() && stack_.empty() && active_ > 0) co_await waiting_.wait(lock);
  if (stopped() || stack_.empty()) co_return std::nullopt;
  std::optional<Work> work(std::move(stack_.back()));
  stack_.pop_back();
  ++active_;
  co_return work;
}

void WorkQueue::done() {
  const std::lock_guard lock(mutex_);
  // Those who wait leave when nobody can bring more work.
  if (--active_ == 0 && stack_.empty()) waiting_.notify_all();
}

void WorkQueue::stop() {
  const std::lock_guard lock(mutex_);
  stopped_.store(true, std::memory_order_relaxed);
  waiting_.notify_all();
}

}  // namespace ross::cli::copy
