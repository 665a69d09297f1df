#include "fabric/shm/greeting.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/machine.h"
#include "fabric/shm/passing.h"
#include "fabric/shm/window_table.h"

namespace ross::fabric::shm {

Result<std::unique_ptr<Greeting>> Greeting::begin(Socket socket, const Options& options) {
  std::unique_ptr<Greeting> greeting(new Greeting());
  Link& link = greeting->link_;
  ROSS_TRY(link.peer, peer_of(socket.fd()));
  link.socket = std::move(socket);
  link.number = options.number;
  link.ring_bytes = options.ring_bytes;
  greeting->direct_ = options.direct && link.peer.pid > 0 && link.peer.uid == ::geteuid();
  link.shares_windows = greeting->direct_;
  ROSS_TRY(link.inbox, SharedMemory::create(kInboxHeaderBytes + options.ring_bytes, SharedMemory::Shape::kRing));
  const Hello hello{.magic = kMagic,
                    .version = kVersion,
                    .flags = link.shares_windows ? kSharesWindows : 0,
                    .ring_bytes = options.ring_bytes,
                    .link = options.number,
                    .probe_address = reinterpret_cast<std::uintptr_t>(options.probe->data()),
                    .probe = *options.probe};
  const std::array descriptors = {link.inbox.fd(), options.table_fd};
  ROSS_OK(pass(link.socket.fd(), std::as_bytes(std::span(&hello, 1)),
               std::span(descriptors).first(link.shares_windows ? 2 : 1)));
  link.inbox.close_descriptor();
  return greeting;
}

Result<bool> Greeting::advance() {
  while (got_ < bytes_.size()) {
    const auto got = receive_passed(fd(), std::span(bytes_).subspan(got_), descriptors_);
    if (!got.has_value()) {
      if (got.error().error() == EAGAIN) return false;
      return fail(got.error());
    }
    if (*got == 0) return fail(ECONNRESET, "the process at the other end closed the connection before it greeted");
    if (descriptors_.size() > 2) return fail(EPROTO, "the peer passed more descriptors than a greeting has");
    got_ += *got;
    // Another program is told by its first bytes; it may never send as many as we wait for.
    const auto magic = std::bit_cast<std::array<std::byte, sizeof kMagic>>(kMagic);
    if (std::memcmp(bytes_.data(), magic.data(), std::min(got_, magic.size())) != 0) {
      return fail(EPROTO, "what listens there does not speak shm");
    }
  }
  ROSS_OK(check());
  return true;
}

Status Greeting::check() {
  std::memcpy(&link_.theirs, bytes_.data(), sizeof link_.theirs);
  const Hello& hello = link_.theirs;
  if (hello.version != kVersion) return Status(EPROTO, "the peer speaks another version of shm: run the same release");
  const bool shares = hello.flags == kSharesWindows;
  if ((hello.flags & ~kSharesWindows) != 0 || hello.ring_bytes < kRingBytesMin || hello.ring_bytes > kRingBytesMax ||
      !std::has_single_bit(hello.ring_bytes) || hello.ring_bytes % page_bytes() != 0 ||
      descriptors_.size() != (shares ? 2U : 1U)) {
    return Status(EPROTO, "the peer's greeting makes no sense");
  }
  auto outbox = SharedMemory::adopt(
      std::move(descriptors_[0]),
      {.size_bytes = kInboxHeaderBytes + hello.ring_bytes, .shape = SharedMemory::Shape::kRing, .writable = true});
  if (!outbox.has_value()) return std::move(outbox).error();
  link_.outbox = *std::move(outbox);
  if (!shares || !direct_) return {};
  auto table = SharedMemory::adopt(std::move(descriptors_[1]), {.size_bytes = kTableBytes});
  if (!table.has_value()) return std::move(table).error();
  link_.table = *std::move(table);
  return {};
}

}  // namespace ross::fabric::shm
