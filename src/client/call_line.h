// CallLine: calls that wait to be sent, in order. Ownership: borrows them. Threading: owner thread.
#pragma once

#include <ranges>
#include <span>

#include "client/call.h"

namespace ross::client {

class CallLine {
 public:
  CallLine() = default;
  CallLine(const CallLine&) = delete;
  CallLine& operator=(const CallLine&) = delete;

  [[nodiscard]] Call* first() const { return first_; }
  void push(Call& call) {
    call.behind = nullptr;
    *end_ = &call;
    end_ = &call.behind;
  }
  void pop() {
    first_ = first_->behind;
    if (first_ == nullptr) end_ = &first_;
  }
  // In their order, before those that wait.
  void push_front(std::span<Call* const> calls) {
    for (Call* const call : calls | std::views::reverse) {
      if (first_ == nullptr) end_ = &call->behind;
      call->behind = first_;
      first_ = call;
    }
  }
  void clear() {
    first_ = nullptr;
    end_ = &first_;
  }

 private:
  Call* first_ = nullptr;
  Call** end_ = &first_;
};

}  // namespace ross::client
