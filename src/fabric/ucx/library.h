// UCX: found when it is first needed, its status codes as ours.
//
// It is loaded and not linked. Its libraries take signals and put hooks into the memory calls of the whole process from the
// moment that they are there, which no program should have that moves its data in another way. The hooks stay for those that do;
// the signals are given back. All of UCX that is called is in the table below. What UCX writes to the terminal by itself goes to
// our log at its level debug; with UCX_LOG_LEVEL in the environment it stays on the terminal.
//
// Threading: any thread.
#pragma once

#include <ucp/api/ucp.h>

#include <string_view>

#include "base/status.h"

namespace ross::fabric::ucx {

struct Library {
  decltype(&::ucp_get_version) get_version = nullptr;
  decltype(&::ucp_get_version_string) get_version_string = nullptr;
  decltype(&::ucs_status_string) status_string = nullptr;
  decltype(&::ucp_config_read) config_read = nullptr;
  decltype(&::ucp_config_modify) config_modify = nullptr;
  decltype(&::ucp_config_release) config_release = nullptr;
  decltype(&::ucp_init_version) init_version = nullptr;
  decltype(&::ucp_cleanup) cleanup = nullptr;
  decltype(&::ucp_mem_map) mem_map = nullptr;
  decltype(&::ucp_mem_unmap) mem_unmap = nullptr;
  decltype(&::ucp_worker_create) worker_create = nullptr;
  decltype(&::ucp_worker_destroy) worker_destroy = nullptr;
  decltype(&::ucp_worker_query) worker_query = nullptr;
  decltype(&::ucp_worker_get_efd) worker_get_efd = nullptr;
  decltype(&::ucp_worker_get_address) worker_get_address = nullptr;
  decltype(&::ucp_worker_release_address) worker_release_address = nullptr;
  decltype(&::ucp_worker_set_am_recv_handler) worker_set_am_recv_handler = nullptr;
  decltype(&::ucp_worker_progress) worker_progress = nullptr;
  decltype(&::ucp_worker_arm) worker_arm = nullptr;
  decltype(&::ucp_listener_create) listener_create = nullptr;
  decltype(&::ucp_listener_destroy) listener_destroy = nullptr;
  decltype(&::ucp_listener_query) listener_query = nullptr;
  decltype(&::ucp_listener_reject) listener_reject = nullptr;
  decltype(&::ucp_ep_create) ep_create = nullptr;
  decltype(&::ucp_ep_close_nbx) ep_close_nbx = nullptr;
  decltype(&::ucp_am_send_nbx) am_send_nbx = nullptr;
  decltype(&::ucp_am_recv_data_nbx) am_recv_data_nbx = nullptr;
  decltype(&::ucp_am_data_release) am_data_release = nullptr;
  decltype(&::ucp_request_free) request_free = nullptr;
};
// ENOTSUP with the reason where UCX is not installed, or is another than this was built for. Stays for the life of the
// process.
Status load_library();
// After a load that succeeded.
const Library& library();
// Another takes its place. Before the first load, or while nobody uses UCX.
void stand_in_for_test(const Library& other);

int to_errno(ucs_status_t status);
// "what: UCX's own words"
Status to_status(ucs_status_t status, std::string_view what);

}  // namespace ross::fabric::ucx
