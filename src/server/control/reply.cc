#include "server/control/reply.h"

#include <memory>

namespace ross::server::control {
namespace {

grpc::StatusCode code_of(int error) {
  switch (error) {
    case ENOENT:
    case ENODATA:
      return grpc::StatusCode::NOT_FOUND;
    case EEXIST:
      return grpc::StatusCode::ALREADY_EXISTS;
    case EACCES:
    case EPERM:
      return grpc::StatusCode::PERMISSION_DENIED;
    case EINVAL:
    case ENAMETOOLONG:
    case EBADMSG:
    case ERANGE:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case EUSERS:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case ESHUTDOWN:
    case EAGAIN:
    case EBUSY:
      return grpc::StatusCode::UNAVAILABLE;
    case EIO:
      return grpc::StatusCode::DATA_LOSS;
    case ENOTSUP:
    case ENOSYS:
      return grpc::StatusCode::UNIMPLEMENTED;
    default:
      return grpc::StatusCode::FAILED_PRECONDITION;
  }
}

}  // namespace

grpc::Status to_grpc(grpc::ServerContext& context, const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  context.AddTrailingMetadata("ross-errno", std::to_string(status.error()));
  return {code_of(status.error()), status.message()};
}

runtime::Loop& thread_loop() {
  thread_local const std::unique_ptr<runtime::Loop> loop = [] {
    auto made = runtime::Loop::create();
    ROSS_CHECK(made.has_value(), "a thread of the control plane has no descriptors left for its loop");
    return *std::move(made);
  }();
  return *loop;
}

}  // namespace ross::server::control
