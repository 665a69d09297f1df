#include "fabric/ofi/library.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace ross::fabric::ofi {
namespace {

constexpr const char* kName = "libfabric.so.1";

const Library* stand_in = nullptr;

struct Loaded {
  Library library;
  Status status;
  Loaded() {
    if (stand_in != nullptr) {
      library = *stand_in;
      return;
    }
    void* const handle = ::dlopen(kName, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      status = Status(ENOTSUP, fmt::format("libfabric cannot be loaded: {}: apt-get install libfabric1", ::dlerror()));
      return;
    }
    find(handle, "fi_getinfo", library.getinfo);
    find(handle, "fi_freeinfo", library.freeinfo);
    find(handle, "fi_dupinfo", library.dupinfo);
    find(handle, "fi_fabric", library.fabric);
    find(handle, "fi_strerror", library.strerror);
  }
  template <class Function>
  void find(void* handle, const char* name, Function*& into) {
    into = reinterpret_cast<Function*>(::dlsym(handle, name));
    if (into == nullptr)
      status = Status(ENOTSUP, fmt::format("{} has no {}: another version is installed", kName, name));
  }
};

const Loaded& loaded() {
  static const Loaded once;
  return once;
}

}  // namespace

Status load_library() { return loaded().status; }
const Library& library() { return loaded().library; }

void stand_in_for_test(const Library& other) {
  static const Library kept = other;
  stand_in = &kept;
}

}  // namespace ross::fabric::ofi
