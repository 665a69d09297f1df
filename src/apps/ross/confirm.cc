#include "apps/ross/confirm.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

namespace ross::cli {

Status confirm(std::string_view what) {
  if (::isatty(STDIN_FILENO) != 1) return Status(EINVAL, fmt::format("this would {}: add --yes to do it", what));
  std::fputs(fmt::format("This will {}. Type yes to go on: ", what).c_str(), stderr);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "yes") return {};
  return Status(ECANCELED, "nothing was removed: answer yes, or add --yes");
}

}  // namespace ross::cli
