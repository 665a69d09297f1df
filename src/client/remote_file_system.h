// RemoteFileSystem: a container of a pool that another process has open.
//
// Every call is one message and its answer, many in flight at once from any number of loops; transfers beyond
// kPayloadBytesMax are several. Errors: those of the file system at the other end, and ESHUTDOWN when that process is
// gone (then nothing is known about calls that had not been answered).
//
// Ownership: keeps the session alive. Destruction closes the container at the other end, with the files and locks that
// were left open. Threading: any thread that drives a loop.
#pragma once

#include <memory>

#include "client/session.h"
#include "fs/file_system.h"

namespace ross::client {

// ENOENT and the other errors of opening a container.
Result<std::unique_ptr<fs::FileSystem>> open_container(std::shared_ptr<Session> session, std::string_view name);
// A container of the session that is open already, under the number it has there. Its end is not told: who made it known does that
// with a kContainerClose, or ends the session.
std::unique_ptr<fs::FileSystem> open_by_number(std::shared_ptr<Session> session, std::uint32_t number);
// The same as open_container() on the current loop, without blocking.
runtime::Task<Result<std::unique_ptr<fs::FileSystem>>> open_container_here(std::shared_ptr<Session> session,
                                                                           std::string name);

}  // namespace ross::client
