// Json: a value that prints itself as JSON, with an object's members in the order they were set.
//
//   Json json;
//   json["name"] = "pool0";
//   json["sizes"] = {1, 2};
//
// It only writes, so it is small. Threading: owner thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ross::cli {

class Json {
 public:
  Json() = default;                                      // null; the first use as an object or array makes it one
  Json(bool value) : value_(value) {}                    // NOLINT: values convert
  Json(double value) : value_(value) {}                  // NOLINT
  Json(std::string value) : value_(std::move(value)) {}  // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}  // NOLINT
  Json(const char* value) : value_(std::string(value)) {}       // NOLINT
  template <std::integral Integer>
  requires(!std::same_as<Integer, bool>) Json(Integer value) {  // NOLINT
    if constexpr (std::is_signed_v<Integer>) {
      value_ = static_cast<std::int64_t>(value);
    } else {
      value_ = static_cast<std::uint64_t>(value);
    }
  }
  static Json array(std::vector<Json> elements = {});
  static Json object(std::vector<std::pair<std::string, Json>> members = {});

  Json& operator[](const std::string& key);  // of an object; made null if it is not there
  void push_back(Json element);              // to an array

  // indent 0: on one line; otherwise so many spaces a level. Bytes that are no UTF-8 are printed as U+FFFD.
  [[nodiscard]] std::string dump(unsigned indent) const;

 private:
  using Elements = std::vector<Json>;
  using Members = std::vector<std::pair<std::string, Json>>;
  void dump_to(std::string& text, unsigned indent, unsigned level) const;
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Elements, Members> value_;
};

}  // namespace ross::cli
