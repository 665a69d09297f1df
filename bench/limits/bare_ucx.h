// UCX by itself, for two processes that have a socket between them: a client that asks and a server that answers.
//
// Threading: owner thread.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <ucp/api/ucp.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../programs/measure.h"

namespace ross::bench {

using Settings = std::vector<std::pair<std::string, std::string>>;

inline void must(const char* doing, ucs_status_t status) {
  if (status != UCS_OK) give_up(doing, ucs_status_string(status));
}

// A worker connected to the one at the other end of a socket.
class BareUcx {
 public:
  BareUcx(const Settings& settings, int socket) : socket_(socket) {
    ucp_config_t* config = nullptr;
    must("ucp_config_read", ucp_config_read(nullptr, nullptr, &config));
    for (const auto& [name, value] : settings) {
      must(name.c_str(), ucp_config_modify(config, name.c_str(), value.c_str()));
    }
    ucp_params_t params{};
    params.field_mask = UCP_PARAM_FIELD_FEATURES;
    params.features = UCP_FEATURE_AM | UCP_FEATURE_RMA | UCP_FEATURE_WAKEUP;
    must("ucp_init", ucp_init(&params, config, &context));
    ucp_config_release(config);
    ucp_worker_params_t worker_params{};
    worker_params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
    worker_params.thread_mode = UCS_THREAD_MODE_SINGLE;
    must("ucp_worker_create", ucp_worker_create(context, &worker_params, &worker));
    must("ucp_worker_get_efd", ucp_worker_get_efd(worker, &fd_));
    ucp_address_t* address = nullptr;
    std::size_t size = 0;
    must("ucp_worker_get_address", ucp_worker_get_address(worker, &address, &size));
    say(&size, sizeof size);
    say(address, size);
    ucp_worker_release_address(worker, address);
    hear(&size, sizeof size);
    std::vector<std::byte> theirs(size);
    hear(theirs.data(), size);
    ucp_ep_params_t endpoint_params{};
    endpoint_params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS;
    endpoint_params.address = reinterpret_cast<const ucp_address_t*>(theirs.data());
    must("ucp_ep_create", ucp_ep_create(worker, &endpoint_params, &endpoint));
  }
  ~BareUcx() {
    finish(ucp_worker_flush_nbx(worker, &plain));
    const ucs_status_ptr_t closing = ucp_ep_close_nbx(endpoint, &plain);
    // Both ends have sent everything before either destroys its worker.
    finish(closing);
    char byte = 0;
    say(&byte, 1);
    while (::recv(socket_, &byte, 1, MSG_DONTWAIT) < 0) ucp_worker_progress(worker);
    ucp_worker_destroy(worker);
    ucp_cleanup(context);
  }
  BareUcx(const BareUcx&) = delete;
  BareUcx& operator=(const BareUcx&) = delete;

  void say(const void* data, std::size_t size) const {
    if (::send(socket_, data, size, 0) != static_cast<ssize_t>(size)) give_up("send", std::strerror(errno));
  }
  void hear(void* data, std::size_t size) const {
    if (::recv(socket_, data, size, MSG_WAITALL) != static_cast<ssize_t>(size))
      give_up("recv", "the other end is gone");
  }
  void finish(ucs_status_ptr_t request) const {
    if (!UCS_PTR_IS_PTR(request)) return;
    while (ucp_request_check_status(request) == UCS_INPROGRESS) ucp_worker_progress(worker);
    ucp_request_free(request);
  }

  // Looks until something was done; sleeps on the descriptor when there was nothing for 20 us.
  void step() const {
    if (ucp_worker_progress(worker) != 0) return;
    const double until = clock_seconds(CLOCK_MONOTONIC) + 20e-6;
    do {
      if (ucp_worker_progress(worker) != 0) return;
    } while (clock_seconds(CLOCK_MONOTONIC) < until);
    if (ucp_worker_arm(worker) != UCS_OK) return;
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    ::poll(&waiting, 1, 100);
  }

  void on_message(ucp_am_recv_callback_t call, void* argument) const {
    ucp_am_handler_param_t handler{};
    handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
    handler.id = 1;
    handler.cb = call;
    handler.arg = argument;
    must("ucp_worker_set_am_recv_handler", ucp_worker_set_am_recv_handler(worker, &handler));
  }

  ucp_context_h context = nullptr;
  ucp_worker_h worker = nullptr;
  ucp_ep_h endpoint = nullptr;
  ucp_request_param_t plain{};

 private:
  const int socket_;
  int fd_ = -1;
};

}  // namespace ross::bench
