#include "fabric/ucx/library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/kept_signals.h"

namespace ross::fabric::ucx {
namespace {

constexpr const char* kLibrary = "libucp.so.0";

constinit Library table;  // written once, by open_library()

Status open_library() {
  void* handle = nullptr;
  {
    // UCX takes SIGSEGV and its like to print stacks, and SIGHUP to become talkative.
    const KeptSignals kept;
    // Its other libraries come with it, and their symbols are found through it.
    handle = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  }
  if (handle == nullptr) {
    return Status(ENOTSUP, fmt::format("UCX cannot be loaded: {}: apt-get install libucx0", ::dlerror()));
  }
  Status status;
  const auto find = [handle, &status]<class Function>(const char* name, Function*& into) {
    into = reinterpret_cast<Function*>(::dlsym(handle, name));
    if (into == nullptr && status.ok()) {
      status = Status(
          ENOTSUP, fmt::format("{} has no {}: another version than ROSS was built for is installed", kLibrary, name));
    }
  };
  find("ucp_get_version", table.get_version);
  find("ucp_get_version_string", table.get_version_string);
  ROSS_STATUS(status);
  // The same major version keeps what it had, and each minor one may add to it.
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  table.get_version(&major, &minor, &release);
  if (major != UCP_API_MAJOR || minor < UCP_API_MINOR) {
    return Status(ENOTSUP, fmt::format("UCX {} is installed, and ROSS was built for {}.{}", table.get_version_string(),
                                       UCP_API_MAJOR, UCP_API_MINOR));
  }
  find("ucs_status_string", table.status_string);
  find("ucp_config_read", table.config_read);
  find("ucp_config_modify", table.config_modify);
  find("ucp_config_release", table.config_release);
  find("ucp_init_version", table.init_version);
  find("ucp_cleanup", table.cleanup);
  find("ucp_mem_map", table.mem_map);
  find("ucp_mem_unmap", table.mem_unmap);
  find("ucp_worker_create", table.worker_create);
  find("ucp_worker_destroy", table.worker_destroy);
  find("ucp_worker_query", table.worker_query);
  find("ucp_worker_get_efd", table.worker_get_efd);
  find("ucp_worker_get_address", table.worker_get_address);
  find("ucp_worker_release_address", table.worker_release_address);
  find("ucp_worker_set_am_recv_handler", table.worker_set_am_recv_handler);
  find("ucp_worker_progress", table.worker_progress);
  find("ucp_worker_arm", table.worker_arm);
  find("ucp_listener_create", table.listener_create);
  find("ucp_listener_destroy", table.listener_destroy);
  find("ucp_listener_query", table.listener_query);
  find("ucp_listener_reject", table.listener_reject);
  find("ucp_ep_create", table.ep_create);
  find("ucp_ep_close_nbx", table.ep_close_nbx);
  find("ucp_am_send_nbx", table.am_send_nbx);
  find("ucp_am_recv_data_nbx", table.am_recv_data_nbx);
  find("ucp_am_data_release", table.am_data_release);
  find("ucp_request_free", table.request_free);
  return status;
}

}  // namespace

Status load_library() {
  static const Status once = open_library();
  return once;
}
const Library& library() { return table; }

int to_errno(ucs_status_t status) {
  switch (status) {
    case UCS_OK:
      return 0;
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
      return ENOMEM;
    case UCS_ERR_INVALID_PARAM:
    case UCS_ERR_INVALID_ADDR:
      return EINVAL;
    case UCS_ERR_NO_DEVICE:
      return ENODEV;
    case UCS_ERR_BUSY:
      return EADDRINUSE;
    case UCS_ERR_UNSUPPORTED:
      return ENOTSUP;
    case UCS_ERR_MESSAGE_TRUNCATED:
      return EMSGSIZE;
    case UCS_ERR_TIMED_OUT:
    case UCS_ERR_ENDPOINT_TIMEOUT:
      return ETIMEDOUT;
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_NOT_CONNECTED:
    case UCS_ERR_REJECTED:
      return ECONNREFUSED;
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_CANCELED:
      return ESHUTDOWN;
    default:
      return EIO;
  }
}

Status to_status(ucs_status_t status, std::string_view what) {
  return Status(to_errno(status), fmt::format("{}: {}", what, library().status_string(status)));
}

}  // namespace ross::fabric::ucx
