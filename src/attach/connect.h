// connect: a pool that a ross-engine (or agent) serves, by whichever fabric both ends have.
//
// Threading: any thread; blocks.
#pragma once

#include <memory>

#include "attach/attach.h"
#include "engine/pool.h"

namespace ross::attach {

inline constexpr std::int64_t kConnectNs = 20'000'000'000;

// url is one of scheme "ross". The fabric is the URL's, or ROSS_FABRIC's, or the best of both ends: RDMA, memory of the same machine,
// sockets. Errors: those of client::begin_session; EINVAL or ENOTSUP for a fabric that cannot be had, with what the server has.
Result<std::unique_ptr<engine::Pool>> connect(const Url& url);

}  // namespace ross::attach
