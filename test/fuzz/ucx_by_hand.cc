#include "ucx_by_hand.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fabric/ucx/library.h"

namespace ross::fabric::ucx {
namespace {

constexpr std::size_t kHeaderBytesMax = 8192;
constexpr char kAddress[] = "a worker by hand";

std::vector<WorkerByHand*> workers;
ucp_listener_conn_handler_t asking{};
bool listens = false;

WorkerByHand& of(ucp_worker_h worker) { return *reinterpret_cast<WorkerByHand*>(worker); }
PointByHand& of(ucp_ep_h point) { return *reinterpret_cast<PointByHand*>(point); }
template <class Handle, class Made>
Handle as_handle(Made* made) {
  return reinterpret_cast<Handle>(made);
}

// The pieces of a buffer, as a datatype says.
std::vector<std::span<std::byte>> pieces_of(const void* buffer, std::size_t count, const ucp_request_param_t& param) {
  std::vector<std::span<std::byte>> pieces;
  if ((param.op_attr_mask & UCP_OP_ATTR_FIELD_DATATYPE) == 0) {
    pieces.emplace_back(static_cast<std::byte*>(const_cast<void*>(buffer)), count);
    return pieces;
  }
  const auto* const listed = static_cast<const ucp_dt_iov_t*>(buffer);
  for (std::size_t i = 0; i < count; ++i)
    pieces.emplace_back(static_cast<std::byte*>(listed[i].buffer), listed[i].length);
  return pieces;
}

// ---- contexts ----

ucs_status_t read_config(const char* /*prefix*/, const char* /*file*/, ucp_config_t** config) {
  *config = static_cast<ucp_config_t*>(std::malloc(1));
  return UCS_OK;
}
ucs_status_t modify_config(ucp_config_t* /*config*/, const char* /*name*/, const char* /*value*/) { return UCS_OK; }
void release_config(ucp_config_t* config) { std::free(config); }
ucs_status_t init(unsigned /*major*/, unsigned /*minor*/, const ucp_params_t* /*params*/,
                  const ucp_config_t* /*config*/, ucp_context_h* context) {
  *context = static_cast<ucp_context_h>(std::malloc(1));
  return UCS_OK;
}
void clean_up(ucp_context_h context) { std::free(context); }
const char* say_status(ucs_status_t /*status*/) { return "an error by hand"; }

// ---- workers ----

ucs_status_t create_worker(ucp_context_h /*context*/, const ucp_worker_params_t* /*params*/, ucp_worker_h* worker) {
  auto* const made = new WorkerByHand;
  made->fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  workers.push_back(made);
  *worker = as_handle<ucp_worker_h>(made);
  return UCS_OK;
}

void destroy_worker(ucp_worker_h worker) {
  WorkerByHand& self = of(worker);
  ROSS_CHECK(self.held.empty(), "data was kept beyond the end of its worker");
  for (WorkerByHand::Request* const request : self.requests) delete request;
  ::close(self.fd);
  std::erase(workers, &self);
  delete &self;
}

ucs_status_t query_worker(ucp_worker_h /*worker*/, ucp_worker_attr_t* attributes) {
  attributes->max_am_header = kHeaderBytesMax;
  return UCS_OK;
}
ucs_status_t get_fd(ucp_worker_h worker, int* fd) {
  *fd = of(worker).fd;
  return UCS_OK;
}
ucs_status_t get_address(ucp_worker_h /*worker*/, ucp_address_t** address, std::size_t* size) {
  *size = sizeof kAddress;
  *address = static_cast<ucp_address_t*>(std::malloc(sizeof kAddress));
  std::memcpy(*address, kAddress, sizeof kAddress);
  return UCS_OK;
}
void release_address(ucp_worker_h /*worker*/, ucp_address_t* address) { std::free(address); }
ucs_status_t set_handler(ucp_worker_h worker, const ucp_am_handler_param_t* handler) {
  of(worker).handler = *handler;
  return UCS_OK;
}
ucs_status_t arm(ucp_worker_h /*worker*/) { return UCS_OK; }

void hand_over(WorkerByHand& self, const WorkerByHand::Arrival& arrival) {
  ucp_am_recv_param_t param{};
  if (arrival.reply != nullptr) {
    param.recv_attr |= UCP_AM_RECV_ATTR_FIELD_REPLY_EP;
    param.reply_ep = as_handle<ucp_ep_h>(arrival.reply);
  }
  // In memory of its own size, so that a sanitizer sees who reads too far.
  const auto own = [](const std::vector<std::byte>& bytes) {
    auto made = std::make_unique<std::byte[]>(bytes.size());
    std::ranges::copy(bytes, made.get());
    return made;
  };
  const auto header = own(arrival.header);
  WorkerByHand::Held held{.bytes = own(arrival.bulk ? std::vector<std::byte>(1) : arrival.data),
                          .bulk_bytes = arrival.bulk_bytes,
                          .point = arrival.reply != nullptr ? arrival.reply : self.newest_point()};
  void* const data = held.bytes.get();
  const std::size_t size = arrival.bulk ? arrival.bulk_bytes : arrival.data.size();
  const bool may_keep = arrival.bulk || arrival.kept;
  if (arrival.bulk) {
    param.recv_attr |= UCP_AM_RECV_ATTR_FLAG_RNDV;
  } else if (arrival.kept) {
    param.recv_attr |= UCP_AM_RECV_ATTR_FLAG_DATA;
  }
  const ucs_status_t status =
      self.handler.cb(self.handler.arg, header.get(), arrival.header.size(), data, size, &param);
  ROSS_CHECK(status == UCS_OK || (status == UCS_INPROGRESS && may_keep));
  if (status == UCS_INPROGRESS) self.held.emplace(data, std::move(held));
}

// Of a request that its callback frees.
void finish(WorkerByHand::Request& request) {
  if (request.status == UCS_OK) {
    for (const std::span<std::byte> piece : request.fills) std::ranges::fill(piece, std::byte{0xe7});
  }
  const ucp_request_param_t then = request.then;
  if (request.lands) {
    then.cb.recv_am(&request, request.status, request.size_bytes, then.user_data);
  } else {
    then.cb.send(&request, request.status, then.user_data);
  }
}

unsigned progress(ucp_worker_h worker) {
  WorkerByHand& self = of(worker);
  unsigned count = 0;
  for (; !self.arrivals.empty(); ++count) {
    const WorkerByHand::Arrival arrival = std::move(self.arrivals.front());
    self.arrivals.pop_front();
    hand_over(self, arrival);
  }
  for (; !self.failures.empty(); ++count) {
    const auto [point, status] = self.failures.front();
    self.failures.pop_front();
    if (!point->closed) point->failing.cb(point->failing.arg, as_handle<ucp_ep_h>(point), status);
  }
  for (std::size_t i = 0; i < self.requests.size();) {
    if (self.requests[i]->status == UCS_INPROGRESS) {
      ++i;
      continue;
    }
    WorkerByHand::Request* const done = self.requests[i];
    self.requests.erase(self.requests.begin() + static_cast<std::ptrdiff_t>(i));
    finish(*done);
    ++count;
  }
  return count;
}

// ---- connections ----

ucs_status_t create_listener(ucp_worker_h worker, const ucp_listener_params_t* params, ucp_listener_h* listener) {
  asking = params->conn_handler;
  listens = true;
  *listener = as_handle<ucp_listener_h>(&of(worker));
  return UCS_OK;
}
void destroy_listener(ucp_listener_h /*listener*/) { listens = false; }
ucs_status_t query_listener(ucp_listener_h /*listener*/, ucp_listener_attr_t* attributes) {
  auto& address = reinterpret_cast<sockaddr_in&>(attributes->sockaddr);
  address.sin_family = AF_INET;
  address.sin_port = htons(7471);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return UCS_OK;
}
ucs_status_t reject(ucp_listener_h /*listener*/, ucp_conn_request_h request) {
  std::free(request);
  return UCS_OK;
}

ucs_status_t create_point(ucp_worker_h worker, const ucp_ep_params_t* params, ucp_ep_h* point) {
  if ((params->field_mask & UCP_EP_PARAM_FIELD_CONN_REQUEST) != 0) std::free(params->conn_request);
  auto& made = of(worker).points.emplace_back(std::make_unique<PointByHand>());
  made->worker = &of(worker);
  made->failing = params->err_handler;
  *point = as_handle<ucp_ep_h>(made.get());
  return UCS_OK;
}

ucs_status_ptr_t close_point(ucp_ep_h point, const ucp_request_param_t* /*param*/) {
  PointByHand& self = of(point);
  ROSS_CHECK(!self.closed, "a connection was closed twice");
  self.closed = true;
  for (WorkerByHand::Request* const request : self.worker->requests) {
    if (request->point == &self) request->status = UCS_ERR_CANCELED;
  }
  return nullptr;
}

// ---- messages ----

ucs_status_ptr_t begin(WorkerByHand& worker, WorkerByHand::Request request) {
  if (worker.refuses) return UCS_STATUS_PTR(UCS_ERR_NO_MEMORY);
  if (worker.holds) return worker.requests.emplace_back(new WorkerByHand::Request(std::move(request)));
  for (const std::span<std::byte> piece : request.fills) std::ranges::fill(piece, std::byte{0xe7});
  return nullptr;
}

ucs_status_ptr_t send(ucp_ep_h point, unsigned /*id*/, const void* header, std::size_t header_bytes, const void* buffer,
                      std::size_t count, const ucp_request_param_t* param) {
  PointByHand& self = of(point);
  ROSS_CHECK(!self.closed, "a message over a connection that was closed");
  WorkerByHand::Sent& sent = self.worker->sent.emplace_back();
  const auto* const begin_of = static_cast<const std::byte*>(header);
  sent.header.assign(begin_of, begin_of + header_bytes);
  for (const auto piece : pieces_of(buffer, count, *param))
    sent.data.insert(sent.data.end(), piece.begin(), piece.end());
  return begin(*self.worker, {.point = &self, .then = *param, .fills = {}});
}

ucs_status_ptr_t land(ucp_worker_h worker, void* data, void* buffer, std::size_t count,
                      const ucp_request_param_t* param) {
  WorkerByHand& self = of(worker);
  const auto found = self.held.find(data);
  ROSS_CHECK(found != self.held.end(), "a bulk was landed that is not there");
  WorkerByHand::Request request{.point = found->second.point,
                                .lands = true,
                                .then = *param,
                                .size_bytes = found->second.bulk_bytes,
                                .fills = pieces_of(buffer, count, *param)};
  self.held.erase(found);
  std::size_t room = 0;
  for (const auto piece : request.fills) room += piece.size();
  ROSS_CHECK(room == request.size_bytes, "a bulk was landed in room of another size");
  return begin(self, std::move(request));
}

void release_data(ucp_worker_h worker, void* data) {
  ROSS_CHECK(of(worker).held.erase(data) == 1, "data was released that is not kept");
}
void free_request(void* request) { delete static_cast<WorkerByHand::Request*>(request); }

}  // namespace

void take_ucxs_place() {
  Library table;
  table.status_string = say_status;
  table.config_read = read_config;
  table.config_modify = modify_config;
  table.config_release = release_config;
  table.init_version = init;
  table.cleanup = clean_up;
  table.worker_create = create_worker;
  table.worker_destroy = destroy_worker;
  table.worker_query = query_worker;
  table.worker_get_efd = get_fd;
  table.worker_get_address = get_address;
  table.worker_release_address = release_address;
  table.worker_set_am_recv_handler = set_handler;
  table.worker_progress = progress;
  table.worker_arm = arm;
  table.listener_create = create_listener;
  table.listener_destroy = destroy_listener;
  table.listener_query = query_listener;
  table.listener_reject = reject;
  table.ep_create = create_point;
  table.ep_close_nbx = close_point;
  table.am_send_nbx = send;
  table.am_recv_data_nbx = land;
  table.am_data_release = release_data;
  table.request_free = free_request;
  stand_in_for_test(table);
}

WorkerByHand* WorkerByHand::newest() { return workers.empty() ? nullptr : workers.back(); }

void WorkerByHand::ask() {
  if (listens) asking.cb(static_cast<ucp_conn_request_h>(std::malloc(1)), asking.arg);
}

PointByHand* WorkerByHand::newest_point() {
  return points.empty() || points.back()->closed ? nullptr : points.back().get();
}

void WorkerByHand::fail_newest(ucs_status_t status) {
  if (PointByHand* const point = newest_point(); point != nullptr) failures.emplace_back(point, status);
}

void WorkerByHand::release(ucs_status_t status) {
  for (Request* const request : requests) {
    if (request->status == UCS_INPROGRESS) request->status = status;
  }
}

}  // namespace ross::fabric::ucx
