#include "apps/ross/present/json.h"

#include <fmt/format.h>

#include <cmath>

#include "apps/ross/present/text.h"

namespace ross::cli {
namespace {

void put_string(std::string& text, std::string_view value) {
  text += '"';
  for (std::size_t at = 0; at < value.size();) {
    const auto byte = static_cast<unsigned char>(value[at]);
    if (byte >= 0x80) {
      const std::size_t length = utf8_length(value.substr(at));
      text += length > 0 ? value.substr(at, length) : std::string_view("\xef\xbf\xbd");
      at += length > 0 ? length : 1;
      continue;
    }
    ++at;
    switch (byte) {
      case '"':
        text += "\\\"";
        break;
      case '\\':
        text += "\\\\";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\t':
        text += "\\t";
        break;
      default:
        if (byte < 0x20 || byte == 0x7f) {
          text += fmt::format("\\u{:04x}", byte);
        } else {
          text += static_cast<char>(byte);
        }
    }
  }
  text += '"';
}

void new_line(std::string& text, unsigned indent, unsigned level) {
  if (indent == 0) return;
  text += '\n';
  text.append(std::size_t{indent} * level, ' ');
}

}  // namespace

Json Json::array(std::vector<Json> elements) {
  Json json;
  json.value_ = std::move(elements);
  return json;
}

Json Json::object(std::vector<std::pair<std::string, Json>> members) {
  Json json;
  json.value_ = std::move(members);
  return json;
}

Json& Json::operator[](const std::string& key) {
  if (!std::holds_alternative<Members>(value_)) value_ = Members();
  Members& members = std::get<Members>(value_);
  for (auto& [name, value] : members) {
    if (name == key) return value;
  }
  return members.emplace_back(key, Json()).second;
}

void Json::push_back(Json element) {
  if (!std::holds_alternative<Elements>(value_)) value_ = Elements();
  std::get<Elements>(value_).push_back(std::move(element));
}

std::string Json::dump(unsigned indent) const {
  std::string text;
  dump_to(text, indent, 0);
  return text;
}

void Json::dump_to(std::string& text, unsigned indent, unsigned level) const {
  if (const auto* boolean = std::get_if<bool>(&value_)) {
    text += *boolean ? "true" : "false";
  } else if (const auto* integer = std::get_if<std::int64_t>(&value_)) {
    text += std::to_string(*integer);
  } else if (const auto* natural = std::get_if<std::uint64_t>(&value_)) {
    text += std::to_string(*natural);
  } else if (const auto* real = std::get_if<double>(&value_)) {
    text += std::isfinite(*real) ? fmt::format("{}", *real) : "null";  // JSON has no infinities
  } else if (const auto* string = std::get_if<std::string>(&value_)) {
    put_string(text, *string);
  } else if (const auto* elements = std::get_if<Elements>(&value_)) {
    text += '[';
    for (std::size_t i = 0; i < elements->size(); ++i) {
      if (i > 0) text += indent == 0 ? ", " : ",";
      new_line(text, indent, level + 1);
      (*elements)[i].dump_to(text, indent, level + 1);
    }
    if (!elements->empty()) new_line(text, indent, level);
    text += ']';
  } else if (const auto* members = std::get_if<Members>(&value_)) {
    text += '{';
    for (std::size_t i = 0; i < members->size(); ++i) {
      if (i > 0) text += indent == 0 ? ", " : ",";
      new_line(text, indent, level + 1);
      put_string(text, (*members)[i].first);
      text += ": ";
      (*members)[i].second.dump_to(text, indent, level + 1);
    }
    if (!members->empty()) new_line(text, indent, level);
    text += '}';
  } else {
    text += "null";
  }
}

}  // namespace ross::cli
