#include "base/machine.h"

#include <fstream>

namespace ross {

std::string machine_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace ross
