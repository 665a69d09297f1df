// open_shared: the first process to open a pool holds it and serves the others; a later one connects to it.
//
// docs/decisions/0005 says why. Two files in the pool's directory: share.lock, which the holder has locked from before it
// opens the pool until after it has closed it (the kernel frees it when the holder dies), and share.sock, where it
// listens from the moment it has the lock. So of any number of processes that come at once one gets the lock, and
// the others find its socket within moments, or wait in its line while it opens the pool.
//
// Errors: those of opening the pool; EBUSY when a process that does not share has it; ETIMEDOUT when the holder does
// not answer within kMeetingNs. Threading: any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "client/hosting.h"
#include "engine/pool.h"
#include "fabric/local/socket.h"

namespace ross::attach {

// Serves a pool at a listening socket: server::share, handed in because attach/ and server/ stand side by side.
using Share = std::function<Result<std::unique_ptr<client::Hosting>>(engine::Pool& pool, fabric::Socket listener,
                                                                     const std::string& pool_name)>;
using OpenPool = std::function<Result<std::unique_ptr<engine::Pool>>(const std::filesystem::path& directory,
                                                                     const engine::PoolOptions& options)>;

inline constexpr std::int64_t kMeetingNs = 60'000'000'000;  // opening a pool after a crash takes seconds

Result<std::unique_ptr<engine::Pool>> open_shared(const std::filesystem::path& directory,
                                                  const engine::PoolOptions& options, const Share& share,
                                                  const OpenPool& open);

}  // namespace ross::attach
