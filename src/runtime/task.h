// Task<T>: an asynchronous call. Either a value that is there already, or a coroutine that will make it.
//
// Operations that need no waiting return Task<T>::ready(value) and cost no coroutine frame; the others are
// coroutines that run on the loop they were awaited on. A coroutine starts when it is awaited, and is awaited once.
//
//   Task<Result<Attr>> Namespace::lookup(...);
//   auto attr = co_await fs.lookup(cred, parent, name);          // in a coroutine
//   auto attr = loop.block_on(fs.lookup(cred, parent, name));    // in plain code
//
// Arguments passed by reference or view must live until the await returns. Frames come from a free list per
// thread, so a small operation allocates nothing once warm.
// Threading: owner thread (the loop's).
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/status.h"

namespace ross::runtime {

namespace internal {
void* allocate_frame(std::size_t size_bytes);
void free_frame(void* frame, std::size_t size_bytes) noexcept;
}  // namespace internal

template <class T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::optional<T> value;
    std::coroutine_handle<> continuation = std::noop_coroutine();

    static void* operator new(std::size_t size) { return internal::allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) { internal::free_frame(frame, size); }

    Task get_return_object() { return Task(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct FinalAwaiter {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> done) noexcept {
        return done.promise().continuation;
      }
      void await_resume() noexcept {}
    };
    FinalAwaiter final_suspend() noexcept { return {}; }
    template <class U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };

 private:
  using Handle = std::coroutine_handle<promise_type>;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(std::in_place_t, T&& value) : ready_(std::move(value)) {}

  Handle handle_;
  std::optional<T> ready_;

 public:
  static Task ready(T value) { return Task(std::in_place, std::move(value)); }
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})), ready_(std::move(other.ready_)) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] bool await_ready() const noexcept { return ready_.has_value(); }
  // Starts the call and stays here if it ended without waiting. Not a symmetric transfer: the compiler makes that a
  // jump only when it optimizes, and otherwise a loop of calls that never wait would grow the stack without bound.
  bool await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().continuation = awaiting;
    return true;
  }
  T await_resume() { return ready_ ? *std::move(ready_) : *std::move(handle_.promise().value); }
};

// Runs a task to its end without anybody awaiting it; done(value) is called on the loop's thread, once.
// The closure lives in the coroutine's frame.
class Detached {
 public:
  struct promise_type {
    static void* operator new(std::size_t size) { return internal::allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) { internal::free_frame(frame, size); }
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }
  };
};

namespace internal {
template <class T, class Done>
Detached run_detached(Task<T> task, Done done) {
  done(co_await task);
}
}  // namespace internal

template <class T, class Done>
void spawn(Task<T> task, Done&& done) {
  if (task.await_ready()) {
    done(task.await_resume());
    return;
  }
  internal::run_detached<T, std::decay_t<Done>>(std::move(task), std::forward<Done>(done));
}

}  // namespace ross::runtime
