#include "fabric/ucx/worker.h"

#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "fabric/ucx/link.h"

namespace ross::fabric::ucx {
namespace {

// How often one look lets UCX work while it finds something, so that a busy worker does not hold up its loop.
constexpr int kRoundsMax = 16;
// Room for events' bytes that is kept when they are handled.
constexpr std::size_t kBytesKept = 1 << 20;
// How long UCX may take for the copies it has begun: it waits for nobody, and a window's worth of them is a few hundred MiB.
constexpr std::int64_t kCopiesNs = 2'000'000'000;
// Rounds without a copy after which there is none: each round that copies says so, one that gives a copy up does not.
// As many again put away what belonged to the last one, which takes UCX two or three.
constexpr std::size_t kIdleRounds = 64;

}  // namespace

Result<std::unique_ptr<Worker>> Worker::create(ucp_context_h context, int epoll_fd) {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE | UCP_WORKER_PARAM_FIELD_FLAGS;
  params.thread_mode = UCS_THREAD_MODE_SINGLE;
  params.flags = UCP_WORKER_FLAG_IGNORE_REQUEST_LEAK;
  ucp_worker_h handle = nullptr;
  if (const ucs_status_t status = library().worker_create(context, &params, &handle); status != UCS_OK) {
    return fail(to_status(status, "UCX cannot make a worker"));
  }
  std::unique_ptr<Worker> worker(new Worker(handle, epoll_fd));
  if (const ucs_status_t status = library().worker_get_efd(handle, &worker->fd_); status != UCS_OK) {
    return fail(to_status(status, "UCX has no descriptor to wait on"));
  }
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, worker->fd_, &event) != 0) {
    return fail(errno, "cannot watch a worker's descriptor");
  }
  ucp_worker_attr_t attributes{};
  attributes.field_mask = UCP_WORKER_ATTR_FIELD_MAX_AM_HEADER;
  if (const ucs_status_t status = library().worker_query(handle, &attributes); status != UCS_OK) {
    return fail(to_status(status, "UCX does not describe its worker"));
  }
  worker->header_bytes_max_ = attributes.max_am_header;
  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = kActiveMessage;
  handler.arg = worker.get();
  handler.cb = [](void* self, const void* header, std::size_t header_bytes, void* data, std::size_t size_bytes,
                  const ucp_am_recv_param_t* param) {
    return static_cast<Worker*>(self)->arrived(header, header_bytes, data, size_bytes, *param);
  };
  if (const ucs_status_t status = library().worker_set_am_recv_handler(handle, &handler); status != UCS_OK) {
    return fail(to_status(status, "UCX takes no handler of active messages"));
  }
  return worker;
}

Worker::~Worker() { end(nullptr); }

void Worker::close(ucp_ep_h endpoint) {
  if (endpoint == nullptr) return;
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  const ucs_status_ptr_t request = library().ep_close_nbx(endpoint, &param);
  if (UCS_PTR_IS_PTR(request)) library().request_free(request);
}

bool Worker::end(ucp_ep_h endpoint) {
  if (ended()) return true;
  for (Events* const events : {&taken_, &events_}) {
    for (Event& event : events->list) release(event);
  }
  const bool may_end = finish_copies();
  if (!may_end) log().error("ucx: a connection that does not end was left behind");
  // While the number is the descriptor's: a process that was forked may keep it in the epoll beyond its end.
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd_, nullptr);
  if (may_end) {
    close(endpoint);  // UCX takes no requests along that are not an ended endpoint's
    library().worker_destroy(worker_);
  }
  worker_ = nullptr;
  return may_end;
}

// An operation that may be a copy is none where the memory of the other process is in pieces: that one sends them, or never
// does.
bool Worker::finish_copies() {
  if (copies_ == 0) return true;
  const std::int64_t until_ns = system_clock().monotonic_ns() + kCopiesNs;
  const std::size_t idle_max = copies_ + kIdleRounds;
  for (std::size_t idle = 0; copies_ > 0 && idle < idle_max;) {
    idle = library().worker_progress(worker_) == 0 ? idle + 1 : 0;
    if (system_clock().monotonic_ns() > until_ns) return false;
  }
  for (std::size_t round = 0; round < kIdleRounds; ++round) library().worker_progress(worker_);
  return true;
}

std::size_t Worker::progress() {
  if (ended()) return 0;
  std::size_t count = 0;
  for (int round = 0; round < kRoundsMax; ++round) {
    const unsigned did = library().worker_progress(worker_);
    if (did == 0) break;
    count += did;
    if (events_.bytes.size() > kBytesKept) break;
  }
  return count;
}

Events& Worker::take() {
  std::swap(taken_, events_);
  return taken_;
}

void Worker::release(void* held) {
  if (held != nullptr && !ended()) library().am_data_release(worker_, held);
}

void Worker::give_back() {
  taken_.list.clear();
  taken_.bytes.clear();
  taken_.peer_seen = false;
  if (taken_.bytes.capacity() > 2 * kBytesKept) taken_.bytes = {};
}

// UCS_OK: we need the data no more; UCS_INPROGRESS: we hold it. What is nobody's is dropped: there is no channel to end,
// and whoever has connected to this worker can send it.
ucs_status_t Worker::arrived(const void* header, std::size_t header_bytes, void* data, std::size_t size_bytes,
                             const ucp_am_recv_param_t& param) {
  if (header_bytes < sizeof(FrameHeader)) return UCS_OK;
  Event event{.kind = Event::Kind::kItems};
  const auto* const bytes = static_cast<const std::byte*>(header);
  event.header = load<FrameHeader>(bytes);
  const bool bulk = (param.recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0;
  switch (event.header.frame) {
    case Frame::kHello:
    case Frame::kWelcome:
      if (bulk || size_bytes != sizeof(Hello)) return UCS_OK;
      event.kind = Event::Kind::kHello;
      if ((param.recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP) != 0) event.reply = param.reply_ep;
      break;
    case Frame::kItems:
      if (bulk) return UCS_OK;
      break;
    case Frame::kBulk:
      if (!bulk) return UCS_OK;
      event.kind = Event::Kind::kBulk;
      event.bulk_bytes = size_bytes;
      break;
    default:
      return UCS_OK;
  }
  const auto found = links_.find(event.header.channel);
  if (found != links_.end()) {
    event.link = found->second;
  } else if (event.header.frame != Frame::kHello) {
    return UCS_OK;
  }
  event.begin = events_.bytes.size();
  if (bulk) {
    event.size_bytes = header_bytes - sizeof(FrameHeader);
    events_.bytes.insert(events_.bytes.end(), bytes + sizeof(FrameHeader), bytes + header_bytes);
    event.held = data;
  } else {
    event.size_bytes = size_bytes;
    if ((param.recv_attr & UCP_AM_RECV_ATTR_FLAG_DATA) != 0) {
      event.held = data;
    } else {
      const auto* const from = static_cast<const std::byte*>(data);
      events_.bytes.insert(events_.bytes.end(), from, from + size_bytes);
    }
  }
  events_.list.push_back(event);
  return event.held != nullptr ? UCS_INPROGRESS : UCS_OK;
}

ucp_request_param_t Worker::send_parameters(Operation& operation) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS;
  param.cb.send = [](void* request, ucs_status_t status, void* self) {
    finished(*static_cast<Operation*>(self), status);
    library().request_free(request);
  };
  param.user_data = &operation;
  return param;
}

void Worker::land(Operation& operation, void* held, std::byte* into, std::size_t size_bytes) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.cb.recv_am = [](void* request, ucs_status_t status, std::size_t /*length*/, void* self) {
    finished(*static_cast<Operation*>(self), status);
    library().request_free(request);
  };
  param.user_data = &operation;
  void* buffer = into;
  std::size_t count = size_bytes;
  if (operation.pieces.empty()) {
    operation.copies = true;
    ++copies_;
  } else {
    param.op_attr_mask |= UCP_OP_ATTR_FIELD_DATATYPE;
    param.datatype = ucp_dt_make_iov();
    buffer = operation.pieces.data();
    count = operation.pieces.size();
  }
  started(operation, library().am_recv_data_nbx(worker_, held, buffer, count, &param));
}

void Worker::started(Operation& operation, ucs_status_ptr_t request) {
  if (request == nullptr) {
    finished(operation, UCS_OK);
  } else if (UCS_PTR_IS_ERR(request)) {
    finished(operation, UCS_PTR_STATUS(request));
  }
}

void Worker::finished(Operation& operation, ucs_status_t status) {
  operation.status = status;
  if (std::exchange(operation.copies, false)) --operation.link->worker().copies_;
  if (operation.window != nullptr) --std::exchange(operation.window, nullptr)->transfers;  // revoke() waits for it
  operation.link->worker().report({.kind = Event::Kind::kDone, .link = operation.link, .operation = &operation});
}

}  // namespace ross::fabric::ucx
