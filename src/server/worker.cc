#include "server/worker.h"

#include <pthread.h>

namespace ross::server {

Worker::Worker(bool has_thread) {
  if (has_thread) thread_ = std::thread([this] { serve(); });
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    ROSS_CHECK(first_ == nullptr, "a worker was destroyed with calls pending");
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Worker::add(Work& work) {
  work.home = runtime::Loop::current();
  ROSS_CHECK(work.home != nullptr, "a call to a worker outside a loop");
  work.run = [](runtime::Message& self) { static_cast<Work&>(self).handle.resume(); };
  if (!thread_.joinable()) {
    work.work();
    return work.home->post(work);
  }
  const std::lock_guard lock(mutex_);
  *last_ = &work;
  last_ = &work.next_work;
  changed_.notify_one();
}

void Worker::serve() {
  ::pthread_setname_np(::pthread_self(), "ross-worker");
  for (;;) {
    Work* work = nullptr;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return first_ != nullptr || stopping_; });
      if (first_ == nullptr) return;
      work = first_;
      first_ = work->next_work;
      if (first_ == nullptr) last_ = &first_;
    }
    work->work();
    work->home->post(*work);
  }
}

}  // namespace ross::server
