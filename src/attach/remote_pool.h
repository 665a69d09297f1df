// RemotePool: a pool that another process has open, as the pool interface faces and commands use.
//
// Ownership: containers opened from it keep the connection; close() only says goodbye. Threading: any thread.
#pragma once

#include <memory>

#include "client/session.h"
#include "engine/pool.h"

namespace ross::attach {

std::unique_ptr<engine::Pool> make_remote_pool(std::unique_ptr<client::Session> session);

}  // namespace ross::attach
