// A container opened for measuring: every call is driven to its end by the one thread there is.
//
// Ownership: the caller. Threading: owner thread.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "attach/attach.h"
#include "measure.h"
#include "runtime/loop.h"

namespace ross::bench {

class Mounted {
 public:
  explicit Mounted(const std::string& url) {
    auto loop = runtime::Loop::create();
    if (!loop) give_up("making a loop", loop.error().message());
    loop_ = *std::move(loop);
    auto attachment = attach::attach(url, {});
    if (!attachment) give_up(url, attachment.error().message());
    attachment_ = *std::move(attachment);
  }

  [[nodiscard]] runtime::Loop& loop() { return *loop_; }
  [[nodiscard]] fs::FileSystem& fs() { return attachment_->file_system(); }

  // The result of a call, or the end of the program.
  template <class T>
  T must(std::string_view doing, fs::Async<T> task) {
    Result<T> result = task.await_ready() ? task.await_resume() : loop_->block_on(std::move(task));
    if (!result) give_up(doing, result.error().message());
    return *std::move(result);
  }
  void must(std::string_view doing, fs::AsyncStatus task) {
    const Status status = task.await_ready() ? task.await_resume() : loop_->block_on(std::move(task));
    if (!status.ok()) give_up(doing, status.message());
  }

  void close() {
    const Status status = attachment_->close();
    if (!status.ok()) give_up("closing", status.message());
  }

 private:
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<attach::Attachment> attachment_;
};

}  // namespace ross::bench
