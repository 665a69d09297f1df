// Goal: no bytes that a peer sends over a stream make a channel crash, write where no window and no receiver let it,
// or end without telling.
// Method: a channel with two windows over a socket pair gets the input in pieces, as frames or as what only looks like some.
// "KEYw" and "KEYr" with 16 bytes more stand for the keys, which no input can know. A get of our own waits for answers.

#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/log.h"
#include "fabric/stream/stream_channel.h"
#include "hostile_channel.h"

namespace ross::fabric::stream {
namespace {

void run(const std::uint8_t* data, std::size_t size) {
  log().set_level(spdlog::level::off);
  static const std::unique_ptr<runtime::Loop> loop = *runtime::Loop::create({.spin_ns = 0});
  static const std::shared_ptr<SocketSet> set = *SocketSet::create(*loop);
  int fds[2];
  ROSS_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  const Socket peer(fds[1]);
  Home home;
  Guarded write;
  Guarded read;
  Guarded into;
  const Key write_key = *home.windows.add(write.span(), Access::kWrite, 0);
  const Key read_key = *home.windows.add(read.span(), Access::kRead, 0);
  const Window window{.size_bytes = Guarded::kBytes, .key = to_text(read_key)};
  Peerless receiver;
  Asked asked;
  asked.local = memory::Memory(into.span());
  asked.window = &window;
  {
    StreamChannel channel(set, {.socket = Socket(fds[0]),
                                .peer = {},
                                .name = "fuzz",
                                .limits = kLimits,
                                .peer_limits = kLimits,
                                .peer_gets_max = kGetsMax,
                                .home = &home});
    channel.start(receiver);
    channel.get(asked);
    loop->poll();
    std::vector<std::byte> bytes(size > 0 ? size - 1 : 0);
    if (!bytes.empty()) std::memcpy(bytes.data(), data + 1, bytes.size());
    put_key(bytes, "KEYw", std::as_bytes(std::span(&write_key, 1)));
    put_key(bytes, "KEYr", std::as_bytes(std::span(&read_key, 1)));
    // The first byte says in what pieces they come.
    const std::size_t piece = size > 0 && data[0] > 0 ? data[0] * std::size_t{7} : bytes.size() + 1;
    std::vector<std::byte> answers(65536);
    for (std::size_t at = 0; at < bytes.size() && !receiver.closed; at += piece) {
      static_cast<void>(
          ::send(peer.fd(), bytes.data() + at, std::min(piece, bytes.size() - at), MSG_NOSIGNAL | MSG_DONTWAIT));
      loop->poll();
      while (::recv(peer.fd(), answers.data(), answers.size(), MSG_DONTWAIT) > 0) continue;
    }
    ::shutdown(peer.fd(), SHUT_RDWR);
    for (int i = 0; i < 10'000 && !receiver.closed; ++i) loop->poll();
    ROSS_CHECK(receiver.closed, "a channel did not end with its peer");
  }
  ROSS_CHECK(asked.told == 1);
  ROSS_CHECK(write.whole() && read.whole() && into.whole());
  ROSS_CHECK(home.windows.remove(write_key) == 0 && home.windows.remove(read_key) == 0, "a use was not let go");
}

}  // namespace
}  // namespace ross::fabric::stream

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ross::fabric::stream::run(data, size);
  return 0;
}
