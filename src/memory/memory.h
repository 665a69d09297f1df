// Memory: where a read lands and a write comes from. File systems take memory, not bytes.
//
// A Memory is a list of spans of this process, or windows onto the memory of a peer whom somebody further on has a channel
// to. Windows are only handed on, to a file system that says it does that (FileSystem::passes_windows()).
// A Memory is a view: the spans it names, a list of more than one span itself, and windows must live until the
// operation it was passed to completes.
//
//   fs.read(file, 0, memory::Memory(buffer.data(), buffer.size()));
//
// Ownership: borrows. Threading: immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ross::memory {

struct Span {
  std::byte* data = nullptr;
  std::size_t size_bytes = 0;
};

// A part of a window, as the fabric names it (fabric/endpoint.h).
struct WindowPart {
  std::uint64_t offset_bytes = 0;  // in the window
  std::uint64_t size_bytes = 0;
  std::string_view key;
};

// The memory of one transfer, out of reach of who hands it on (decisions/0013).
struct Windows {
  std::uint64_t channel = 0;  // between its owner and who will reach it
  std::uint64_t ticket = 0;   // the owner's, for this transfer
  std::span<const WindowPart> parts;
  bool owner_checks = false;         // data that is read may come with checksums in place of a check
  std::string* checksums = nullptr;  // where those go, as wire/ has them
};

class Memory {
 public:
  Memory() = default;
  Memory(void* data, std::size_t size_bytes)
      : one_{static_cast<std::byte*>(data), size_bytes}, count_(1), size_bytes_(size_bytes) {}
  explicit Memory(std::span<std::byte> span) : Memory(span.data(), span.size()) {}
  // The list is borrowed.
  explicit Memory(std::span<const Span> list) : list_(list.data()), count_(list.size()) {
    for (const Span& span : list) size_bytes_ += span.size_bytes;
  }
  // The windows are borrowed. There are no spans then, and no bytes to be had.
  explicit Memory(const Windows& windows) : windows_(&windows) {
    for (const WindowPart& part : windows.parts) size_bytes_ += part.size_bytes;
  }
  // Null: it is spans.
  [[nodiscard]] const Windows* windows() const { return windows_; }
  // What a write reads is not changed; one type serves both directions.
  static Memory for_write(const void* data, std::size_t size_bytes) { return {const_cast<void*>(data), size_bytes}; }

  [[nodiscard]] std::size_t size_bytes() const { return size_bytes_; }
  [[nodiscard]] std::span<const Span> spans() const { return {list_ != nullptr ? list_ : &one_, count_}; }
  // The bytes [offset, offset + size) if one span holds them all, else null.
  [[nodiscard]] std::byte* contiguous(std::size_t offset_bytes, std::size_t size_bytes) const {
    for (const Span& span : spans()) {
      if (offset_bytes < span.size_bytes) {
        return size_bytes <= span.size_bytes - offset_bytes ? span.data + offset_bytes : nullptr;
      }
      offset_bytes -= span.size_bytes;
    }
    return nullptr;
  }
  // Copies to and from [offset, offset + size), across spans.
  void copy_in(std::size_t offset_bytes, std::span<const std::byte> from) const;
  void copy_out(std::size_t offset_bytes, std::span<std::byte> to) const;
  void fill_zero(std::size_t offset_bytes, std::size_t size_bytes) const;

 private:
  template <class Visit>
  void visit(std::size_t offset_bytes, std::size_t size_bytes, Visit&& each) const;
  Span one_;
  const Span* list_ = nullptr;
  const Windows* windows_ = nullptr;
  std::size_t count_ = 0;
  std::size_t size_bytes_ = 0;
};

// The spans of [offset, offset + size) of memory, in place of what spans held.
void slice(const Memory& memory, std::size_t offset_bytes, std::size_t size_bytes, std::vector<Span>& spans);

}  // namespace ross::memory
