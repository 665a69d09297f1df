// A Channel over a connected Unix stream socket whose ends have greeted each other already.
//
//   ROSS_TRY(auto channel, fabric::make_socket_channel(loop, std::move(socket), limits));
//
// It is stream/'s channel with a set of sockets of its own. There is no endpoint, so there are no windows: put() and get()
// fail with ENOTSUP, and a peer that tries them ends the channel.
#pragma once

#include <memory>

#include "fabric/channel.h"
#include "fabric/local/socket.h"
#include "runtime/loop.h"

namespace ross::fabric {

// Both ends have the same limits. Errors: too few descriptors. The loop outlives the channel.
Result<std::unique_ptr<Channel>> make_socket_channel(runtime::Loop& loop, Socket socket, ChannelLimits limits);

}  // namespace ross::fabric
