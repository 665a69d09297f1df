// libfabric: found when it is first needed, its objects closed by destructors, its errors as a Status.
//
// It is loaded and not linked, because some of the libraries that it brings along take a fifth of a second to start, which every
// program of ours would pay. Only these functions are symbols of the library; all others are called through its objects.
//
// Threading: immutable.
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"

namespace ross::fabric::ofi {

struct Library {
  decltype(&::fi_getinfo) getinfo = nullptr;
  decltype(&::fi_freeinfo) freeinfo = nullptr;
  decltype(&::fi_dupinfo) dupinfo = nullptr;
  decltype(&::fi_fabric) fabric = nullptr;
  decltype(&::fi_strerror) strerror = nullptr;
};
// ENOTSUP with the loader's reason where it is not installed. Stays for the life of the process.
Status load_library();
// After a load that succeeded.
const Library& library();
// Another takes its place for the life of the process. Before the first load.
void stand_in_for_test(const Library& other);

struct CloseFid {
  template <class T>
  void operator()(T* object) const {
    fi_close(&object->fid);
  }
};
template <class T>
using Fid = std::unique_ptr<T, CloseFid>;

struct FreeInfo {
  void operator()(fi_info* info) const { library().freeinfo(info); }
};
using Info = std::unique_ptr<fi_info, FreeInfo>;

// libfabric's own error numbers begin at FI_ERRNO_OFFSET; what has no errno is EIO.
int errno_of(std::int64_t result);
Status status_of(std::string_view call, std::int64_t result);
inline std::unexpected<Status> failed(std::string_view call, std::int64_t result) {
  return std::unexpected<Status>(status_of(call, result));
}

// What an operation's completion is told by: libfabric may keep notes in space, and gives the address back.
struct Context {
  enum class Kind : std::uint8_t { kReceive, kSend, kTransfer };
  fi_context2 space{};
  Kind kind;
  explicit Context(Kind of) : kind(of) {}
};

}  // namespace ross::fabric::ofi
