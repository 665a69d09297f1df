// Taking bytes from outside apart without ever reading past their end, and putting them together.
//
// Integers are little-endian, as every machine ROSS runs on is; a big-endian one does not compile this.
// Threading: owner thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

namespace ross::wire {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian: swap bytes here");

// Once something did not fit, ok() is false for good and every take gives zeros.
class Taker {
 public:
  explicit Taker(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const std::string_view bytes = take_bytes(sizeof(T));
    if (ok_) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::string_view take_bytes(std::size_t size_bytes) {
    if (!ok_ || size_bytes > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size_bytes);
    rest_.remove_prefix(size_bytes);
    return bytes;
  }
  // A length of 16 bits, at most size_max, then as many bytes.
  std::string_view take_short(std::size_t size_max) {
    const std::size_t size = take<std::uint16_t>();
    if (size > size_max) ok_ = false;
    return take_bytes(size);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

template <class T>
void put(std::string& to, const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>);
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void put_short(std::string& to, std::string_view bytes) {
  put(to, static_cast<std::uint16_t>(bytes.size()));
  to.append(bytes);
}

}  // namespace ross::wire
