#include "apps/daemon/toml_tables.h"

#include <fmt/format.h>

namespace ross::daemon {
namespace {

Status wrong(std::string_view path, const toml::node& where, std::string_view what) {
  return Status(EINVAL, fmt::format("{} line {}: {}", path, where.source().begin.line, what));
}

std::string names_of(const auto& named) {
  std::string names;
  for (const auto& [name, rest] : named) names += (names.empty() ? "" : ", ") + name;
  return names;
}

Status take_table(std::string_view path, std::string_view name, const toml::node& node, const Keys& keys) {
  const toml::table* const table = node.as_table();
  if (table == nullptr) return wrong(path, node, fmt::format("{} is a table: write [{}]", name, name));
  for (const auto& [key, value] : *table) {
    const auto found = keys.find(key.str());
    if (found == keys.end()) {
      return wrong(path, value, fmt::format("[{}] has no key '{}': it has {}", name, key.str(), names_of(keys)));
    }
    if (!found->second(value))
      return wrong(path, value, fmt::format("{}.{} has a value that cannot be", name, key.str()));
  }
  return {};
}

Status take_list(std::string_view path, std::string_view name, const toml::node& node, const TableList& list) {
  const toml::array* const array = node.as_array();
  if (array == nullptr) return wrong(path, node, fmt::format("{} is a list: write [[{}]]", name, name));
  for (const toml::node& item : *array) {
    ROSS_STATUS(take_table(path, name, item, list.begin_item()));
    if (const std::string what = list.end_item(); !what.empty()) return wrong(path, item, what);
  }
  return {};
}

}  // namespace

Take text(std::string& into) {
  return [&into](const toml::node& value) {
    const auto found = value.value_exact<std::string>();
    if (found) into = *found;
    return found.has_value();
  };
}

Take number(std::uint64_t& into, std::int64_t least, std::int64_t most) {
  return [&into, least, most](const toml::node& value) {
    const auto found = value.value_exact<std::int64_t>();
    if (!found || *found < least || *found > most) return false;
    into = static_cast<std::uint64_t>(*found);
    return true;
  };
}

Take truth(bool& into) {
  return [&into](const toml::node& value) {
    const auto found = value.value_exact<bool>();
    if (found) into = *found;
    return found.has_value();
  };
}

Take texts(std::vector<std::string>& into) {
  return [&into](const toml::node& value) {
    const toml::array* const array = value.as_array();
    if (array == nullptr) return false;
    into.clear();
    for (const toml::node& item : *array) {
      const auto found = item.value_exact<std::string>();
      if (!found) return false;
      into.push_back(*found);
    }
    return true;
  };
}

Take numbers(std::vector<std::uint32_t>& into) {
  return [&into](const toml::node& value) {
    const toml::array* const array = value.as_array();
    if (array == nullptr) return false;
    into.clear();
    for (const toml::node& item : *array) {
      const auto found = item.value_exact<std::int64_t>();
      if (!found || *found < 0 || *found > UINT32_MAX) return false;
      into.push_back(static_cast<std::uint32_t>(*found));
    }
    return true;
  };
}

Status take_apart(std::string_view content, std::string_view path, const Form& form) {
  toml::table root;
  try {
    root = toml::parse(content, path);
  } catch (const toml::parse_error& error) {
    return Status(EINVAL,
                  fmt::format("{} line {} is not TOML: {}", path, error.source().begin.line, error.description()));
  }
  for (const auto& [key, value] : root) {
    if (const auto list = form.lists.find(key.str()); list != form.lists.end()) {
      ROSS_STATUS(take_list(path, key.str(), value, list->second));
      continue;
    }
    const auto found = form.tables.find(key.str());
    if (found == form.tables.end()) {
      return wrong(path, value,
                   fmt::format("there is no [{}]: there are {} and the lists {}", key.str(), names_of(form.tables),
                               names_of(form.lists)));
    }
    ROSS_STATUS(take_table(path, key.str(), value, found->second));
  }
  return {};
}

}  // namespace ross::daemon
