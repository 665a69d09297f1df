// Worker: one thread for calls that block (opening a container, syncing a pool), so that the server's loop never does.
//
//   Status status = co_await worker.run<Status>([&] { return pool.sync(); });
//
// Calls run one after the other, in order. A worker without a thread makes them at once where they are asked for: for a loop that
// may block, as one of a simulation.
//
// Ownership: what the call refers to lives until the await returns; none is pending when the worker is destroyed.
// Threading: run() from any loop.
#pragma once

#include <condition_variable>
#include <coroutine>
#include <mutex>
#include <optional>
#include <thread>

#include "runtime/loop.h"

namespace ross::server {

class Worker {
  struct Work : runtime::Message {
    Work* next_work = nullptr;
    runtime::Loop* home = nullptr;
    std::coroutine_handle<> handle;
    virtual void work() = 0;

   protected:
    ~Work() = default;
  };

 public:
  explicit Worker(bool has_thread = true);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  template <class T, class Function>
  auto run(Function function) {
    struct Awaiter final : Work {
      Worker& worker;
      Function function;
      std::optional<T> result;
      Awaiter(Worker& by, Function what) : worker(by), function(std::move(what)) {}
      void work() override { result.emplace(function()); }
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiting) {
        this->handle = waiting;
        worker.add(*this);
      }
      T await_resume() { return *std::move(result); }
    };
    return Awaiter(*this, std::move(function));
  }

 private:
  void add(Work& work);
  void serve();

  std::mutex mutex_;
  std::condition_variable changed_;
  Work* first_ = nullptr;  // guarded by mutex_
  Work** last_ = &first_;  // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // constant after construction
};

}  // namespace ross::server
