// Loan: a part of a file where it lies in memory, lent to a reader instead of copied. It does not change while it is lent.
//
//   fs::Loan loan;
//   ROSS_CO_TRY(const bool lent, co_await file_system.lend(file, offset, size, loan));
//   if (lent) send(loan.memory());        // checked already; shorter than asked for at the end of the file
//   loan.give_back();                     // soon: space that was freed meanwhile is not used again before
//
// Ownership: the lender owns the memory, which nobody writes to; it outlives its loans. Threading: one thread at a time.
#pragma once

#include <utility>
#include <vector>

#include "memory/memory.h"

namespace ross::fs {

class Loan {
 public:
  Loan() = default;
  ~Loan() { give_back(); }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  [[nodiscard]] memory::Memory memory() const { return memory::Memory(std::span<const memory::Span>(spans_)); }
  [[nodiscard]] bool lent() const { return end_ != nullptr; }
  void give_back() {
    if (end_ != nullptr) std::exchange(end_, nullptr)(what_);
    spans_.clear();
  }

  // ---- for the lender ----
  // end(what) is called once, when the loan is given back.
  void begin(void* what, void (*end)(void* what)) {
    what_ = what;
    end_ = end;
  }
  void add(const std::byte* data, std::size_t size_bytes) {
    auto* const at = const_cast<std::byte*>(data);
    if (!spans_.empty() && spans_.back().data + spans_.back().size_bytes == at) {
      spans_.back().size_bytes += size_bytes;
    } else {
      spans_.push_back({at, size_bytes});
    }
  }

 private:
  std::vector<memory::Span> spans_;  // keeps its room for the next loan
  void* what_ = nullptr;
  void (*end_)(void* what) = nullptr;
};

}  // namespace ross::fs
