// Reading and writing integers in records: big-endian in keys (so that they sort), little-endian in values.
//
// Reader never reads past its end: after a short read it stays failed and yields zeros, so a decoder checks once.
// Threading: owner thread.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace ross::engine::format {

template <std::unsigned_integral T>
void append_big(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

template <std::integral T>
void append_little(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

class Reader {
 public:
  explicit Reader(std::string_view data) : data_(data) {}

  template <std::integral T>
  T little() {
    T value{};
    const std::string_view raw = bytes(sizeof value);
    if (ok_) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  template <std::unsigned_integral T>
  T big() {
    T value{};
    for (const char c : bytes(sizeof value)) value = static_cast<T>((value << 8) | static_cast<unsigned char>(c));
    return value;
  }
  std::string_view bytes(std::size_t count) {
    if (count > data_.size()) {
      ok_ = false;
      data_ = {};
      return {};
    }
    const std::string_view taken = data_.substr(0, count);
    data_.remove_prefix(count);
    return taken;
  }
  std::string_view rest() { return bytes(data_.size()); }

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return ok_ && data_.empty(); }

 private:
  std::string_view data_;
  bool ok_ = true;
};

}  // namespace ross::engine::format
