#include "fabric/ucx/library.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <stdarg.h>
#include <stdio.h>
#include <ucs/debug/log_def.h>

#include <array>
#include <cstdlib>

#include "base/kept_signals.h"
#include "base/log.h"

namespace ross::fabric::ucx {
namespace {

constexpr const char* kLibrary = "libucp.so.0";
constexpr const char* kServices = "libucs.so.0";  // what UCX's other libraries stand on
constexpr const char* kLogLevel = "UCX_LOG_LEVEL";

constinit Library table;  // written once, by open_library() or by what stands in for it
constinit bool stands_in = false;

// What UCX writes of an end of a connection, above all, is no news: its status comes back to us, and is logged or told there.
ucs_log_func_rc_t log_as_ours(const char* /*file*/, unsigned /*line*/, const char* /*function*/, ucs_log_level_t level,
                              const ucs_log_component_config_t* /*component*/, const char* message, va_list arguments) {
  if (level != UCS_LOG_LEVEL_ERROR && level != UCS_LOG_LEVEL_WARN) return UCS_LOG_FUNC_RC_CONTINUE;
  std::array<char, 512> text{};
  ::vsnprintf(text.data(), text.size(), message, arguments);
  log().debug("ucx itself: {}", text.data());
  return UCS_LOG_FUNC_RC_STOP;
}

// UCX's lines stay on the terminal in a program that has UCX for itself, and for who asks UCX for them. The call is not in
// UCX's public headers: a version without it keeps its lines, too.
void take_log(void* handle) {
  auto* const push = reinterpret_cast<decltype(&::ucs_log_push_handler)>(::dlsym(handle, "ucs_log_push_handler"));
  if (push != nullptr && std::getenv(kLogLevel) == nullptr) push(log_as_ours);
}

Status open_library() {
  if (stands_in) return {};
  void* handle = nullptr;
  void* const others = ::dlopen(kServices, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
  {
    // UCX takes SIGSEGV and its like to print stacks, and SIGHUP to become talkative.
    const KeptSignals kept;
    // Its other libraries come with it, and their symbols are found through it.
    handle = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  }
  if (handle == nullptr) {
    return Status(ENOTSUP, fmt::format("UCX cannot be loaded: {}: apt-get install libucx0", ::dlerror()));
  }
  if (others != nullptr) ::dlclose(others);  // was there before us
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
  if (status.ok() && others == nullptr) take_log(handle);
  return status;
}

}  // namespace

Status load_library() {
  static const Status once = open_library();
  return once;
}
const Library& library() { return table; }

void stand_in_for_test(const Library& other) {
  table = other;
  stands_in = true;
}

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
