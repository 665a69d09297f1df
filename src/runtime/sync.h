// WaitQueue: coroutines of any loop wait here until somebody calls notify_all.
//
//   while (!condition()) co_await queue.wait(lock);      // unlocks while waiting, relocks before it returns
//
// Like a condition variable for coroutines: wake-ups may be spurious, the condition is checked again.
// Threading: guarded by the mutex the caller passes; a waiter resumes on its own loop.
#pragma once

#include <coroutine>
#include <mutex>

#include "runtime/loop.h"

namespace ross::runtime {

class WaitQueue {
 public:
  class Awaiter : private Message {
   public:
    Awaiter(WaitQueue& queue, std::unique_lock<std::mutex>& lock) : queue_(queue), lock_(lock) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      handle_ = handle;
      loop_ = Loop::current();
      ROSS_CHECK(loop_ != nullptr, "a coroutine waits outside a loop");
      run = [](Message& self) { static_cast<Awaiter&>(self).handle_.resume(); };
      next_waiter_ = queue_.head_;
      queue_.head_ = this;
      lock_.unlock();  // from here on another thread may resume us
    }
    void await_resume() { lock_.lock(); }

   private:
    friend class WaitQueue;
    WaitQueue& queue_;
    std::unique_lock<std::mutex>& lock_;
    std::coroutine_handle<> handle_;
    Loop* loop_ = nullptr;
    Awaiter* next_waiter_ = nullptr;
  };

  [[nodiscard]] Awaiter wait(std::unique_lock<std::mutex>& lock) { return {*this, lock}; }

  // Call with the mutex held.
  void notify_all() {
    Awaiter* waiter = head_;
    head_ = nullptr;
    while (waiter != nullptr) {
      Awaiter* const next = waiter->next_waiter_;
      waiter->loop_->post(*waiter);
      waiter = next;
    }
  }
  [[nodiscard]] bool empty() const { return head_ == nullptr; }

 private:
  Awaiter* head_ = nullptr;
};

}  // namespace ross::runtime
