// A configuration file in TOML taken apart: which tables it may have, which keys they have, and where each value goes.
//
//   Form form;
//   form.tables["control"] = {{"listen", text(config.listen)}};
//   ROSS_OK(take_apart(content, path, form));
//
// A key that is none is an error, so that a misspelt one is not silently the default. Errors: EINVAL with the line and what to write
// instead, in one sentence. Ownership: a form borrows what its values go to. Threading: owner thread.
#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace ross::daemon {

// Takes a value; false when it is of the wrong type or out of range.
using Take = std::function<bool(const toml::node& value)>;
using Keys = std::map<std::string, Take, std::less<>>;

Take text(std::string& into);
Take number(std::uint64_t& into, std::int64_t least, std::int64_t most);
Take truth(bool& into);
Take texts(std::vector<std::string>& into);
Take numbers(std::vector<std::uint32_t>& into);

// A list of tables, [[name]]: begin_item() has the keys of the next one, end_item() says what is wrong with it, or nothing.
struct TableList {
  std::function<Keys()> begin_item;
  std::function<std::string()> end_item;
};

struct Form {
  std::map<std::string, Keys, std::less<>> tables;
  std::map<std::string, TableList, std::less<>> lists;
};
// path: as errors name it.
Status take_apart(std::string_view content, std::string_view path, const Form& form);

}  // namespace ross::daemon
