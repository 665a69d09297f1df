// Loan: a part of a file where it lies in memory, lent to a reader instead of copied. It does not change while it is lent.
//
//   fs::Loan loan;
//   ROSS_CO_TRY(const bool lent, co_await file_system.lend(file, offset, size, loan));
//   if (lent) send(loan.memory());        // checked already; shorter than asked for at the end of the file
//   loan.give_back();                     // soon: space that was freed meanwhile is not used again before
//
// A reader that checks the data where it ends up asks for it first (leave_checks_to_reader()), and gets the checksums in
// place of the lender's word.
//
// Ownership: the lender owns the memory, which nobody writes to; it outlives its loans. Threading: one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "memory/memory.h"

namespace ross::fs {

// A checksum is of one block of a file: so many bytes, at a multiple of so many.
inline constexpr std::uint32_t kChecksumBlockBytes = 4096;

class Loan {
 public:
  Loan() = default;
  ~Loan() { give_back(); }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  [[nodiscard]] memory::Memory memory() const { return memory::Memory(std::span<const memory::Span>(spans_)); }
  [[nodiscard]] bool lent() const { return end_ != nullptr; }
  // Before lend(), and until the loan is given back: the lender need not check the blocks that it lends whole.
  void leave_checks_to_reader() { reader_checks_ = true; }
  // What those blocks must match (CRC32C), in order: every block of the file that lies in the loan from end to end. The
  // lender has checked what it lends of others.
  [[nodiscard]] std::span<const std::uint32_t> checksums() const { return checksums_; }
  void give_back() {
    if (end_ != nullptr) std::exchange(end_, nullptr)(what_);
    spans_.clear();
    checksums_.clear();
    reader_checks_ = false;
  }

  // ---- for the lender ----
  // end(what) is called once, when the loan is given back.
  void begin(void* what, void (*end)(void* what)) {
    what_ = what;
    end_ = end;
  }
  [[nodiscard]] bool reader_checks() const { return reader_checks_; }
  void add_checksum(std::uint32_t crc) { checksums_.push_back(crc); }
  void add(const std::byte* data, std::size_t size_bytes) {
    auto* const at = const_cast<std::byte*>(data);
    if (!spans_.empty() && spans_.back().data + spans_.back().size_bytes == at) {
      spans_.back().size_bytes += size_bytes;
    } else {
      spans_.push_back({at, size_bytes});
    }
  }

 private:
  std::vector<memory::Span> spans_;  // these keep their room for the next loan
  std::vector<std::uint32_t> checksums_;
  bool reader_checks_ = false;
  void* what_ = nullptr;
  void (*end_)(void* what) = nullptr;
};

}  // namespace ross::fs
