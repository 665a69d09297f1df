// A Channel over a connected stream socket, driven by the loop's io_uring.
//
//   ROSS_TRY(auto channel, fabric::make_socket_channel(loop, std::move(socket), limits));
#pragma once

#include <memory>

#include "fabric/channel.h"
#include "fabric/local/socket.h"
#include "runtime/loop.h"

namespace ross::fabric {

// Errors: those of making the loop's ring. The loop outlives the channel.
Result<std::unique_ptr<Channel>> make_socket_channel(runtime::Loop& loop, Socket socket, ChannelLimits limits);

}  // namespace ross::fabric
