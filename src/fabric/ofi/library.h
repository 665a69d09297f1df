// libfabric's objects closed by destructors, and its errors as a Status.
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

struct CloseFid {
  template <class T>
  void operator()(T* object) const {
    fi_close(&object->fid);
  }
};
template <class T>
using Fid = std::unique_ptr<T, CloseFid>;

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
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
