#include "fabric/ucx/worker.h"

#include "fabric/ucx/link.h"

namespace ross::fabric::ucx {
namespace {

// How often one look lets UCX work while it finds something, so that a busy worker does not hold up its loop.
constexpr int kRoundsMax = 16;
// Room for events' bytes that is kept when they are handled.
constexpr std::size_t kBytesKept = 1 << 20;

}  // namespace

Result<std::unique_ptr<Worker>> Worker::create(ucp_context_h context) {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE | UCP_WORKER_PARAM_FIELD_FLAGS;
  params.thread_mode = UCS_THREAD_MODE_SINGLE;
  params.flags = UCP_WORKER_FLAG_IGNORE_REQUEST_LEAK;
  ucp_worker_h handle = nullptr;
  if (const ucs_status_t status = library().worker_create(context, &params, &handle); status != UCS_OK) {
    return fail(to_status(status, "UCX cannot make a worker"));
  }
  std::unique_ptr<Worker> worker(new Worker(handle));
  if (const ucs_status_t status = library().worker_get_efd(handle, &worker->fd_); status != UCS_OK) {
    return fail(to_status(status, "UCX has no descriptor to wait on"));
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

Worker::~Worker() {
  for (const Event& event : events_.list) release(event);
  library().worker_destroy(worker_);
}

std::size_t Worker::progress() {
  std::size_t count = 0;
  for (int round = 0; round < kRoundsMax; ++round) {
    const unsigned did = library().worker_progress(worker_);
    if (did == 0) break;
    count += did;
    if (events_.bytes.size() > kBytesKept) break;
  }
  return count;
}

Events Worker::take() {
  Events taken = std::move(events_);
  events_ = std::move(spare_);
  return taken;
}

void Worker::release(const Event& event) {
  if (event.held != nullptr) library().am_data_release(worker_, event.held);
}

void Worker::give_back(Events&& events) {
  events.list.clear();
  events.bytes.clear();
  if (events.bytes.capacity() > 2 * kBytesKept) events.bytes = {};
  spare_ = std::move(events);
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

ucp_request_param_t Worker::receive_parameters(Operation& operation) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.cb.recv_am = [](void* request, ucs_status_t status, std::size_t /*length*/, void* self) {
    finished(*static_cast<Operation*>(self), status);
    library().request_free(request);
  };
  param.user_data = &operation;
  return param;
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
  if (operation.window != nullptr) --std::exchange(operation.window, nullptr)->transfers;  // revoke() waits for it
  operation.link->worker().report({.kind = Event::Kind::kDone, .link = operation.link, .operation = &operation});
}

}  // namespace ross::fabric::ucx
