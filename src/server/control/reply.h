// How a service's call ends: a Status as gRPC tells it, with the errno beside it.
//
// Threading: any thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include "base/status.h"
#include "runtime/loop.h"

namespace ross::server::control {

// gRPC's code for an errno; the errno itself goes into the trailing metadata "ross-errno".
grpc::Status to_grpc(grpc::ServerContext& context, const Status& status);

// The loop of a thread of gRPC's, for calls that wait.
runtime::Loop& thread_loop();

template <class T>
T wait(runtime::Task<T> task) {
  return thread_loop().block_on(std::move(task));
}

}  // namespace ross::server::control
