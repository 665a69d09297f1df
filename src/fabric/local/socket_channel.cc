#include "fabric/local/socket_channel.h"

#include <fmt/format.h>

#include "fabric/stream/socket_set.h"
#include "fabric/stream/stream_channel.h"

namespace ross::fabric {

Result<std::unique_ptr<Channel>> make_socket_channel(runtime::Loop& loop, Socket socket, ChannelLimits limits) {
  ROSS_TRY(Peer peer, peer_of(socket.fd()));
  ROSS_TRY(std::shared_ptr<stream::SocketSet> set, stream::SocketSet::create(loop));
  std::string name = fmt::format("process {}", peer.pid);
  return std::make_unique<stream::StreamChannel>(std::move(set),
                                                 stream::StreamChannel::Setup{.socket = std::move(socket),
                                                                              .peer = std::move(peer),
                                                                              .name = std::move(name),
                                                                              .limits = limits,
                                                                              .peer_limits = limits});
}

}  // namespace ross::fabric
