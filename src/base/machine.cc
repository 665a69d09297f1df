#include "base/machine.h"

#include "base/read_file.h"

namespace ross {

std::string machine_id() {
  const Result<std::string> id = read_file("/proc/sys/kernel/random/boot_id");
  return id.has_value() ? id->substr(0, id->find('\n')) : std::string();
}

}  // namespace ross
