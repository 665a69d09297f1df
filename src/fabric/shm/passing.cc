#include "fabric/shm/passing.h"

#include <sys/socket.h>

#include <array>
#include <cstring>

namespace ross::fabric::shm {
namespace {

struct alignas(cmsghdr) Control {
  std::array<std::byte, CMSG_SPACE(kPassedMax * sizeof(int))> bytes{};
};

}  // namespace

Status pass(int socket, std::span<const std::byte> bytes, std::span<const int> descriptors) {
  ROSS_CHECK(descriptors.size() <= kPassedMax && !bytes.empty());
  iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  Control control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.bytes.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return Status(errno);
  // The kernel cuts only what is larger than a page.
  if (static_cast<std::size_t>(sent) != bytes.size()) return Status(EPROTO, "a socket took a part of a short message");
  return {};
}

Result<std::size_t> receive_passed(int socket, std::span<std::byte> bytes, std::vector<Descriptor>& descriptors) {
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  Control control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes.data();
  message.msg_controllen = control.bytes.size();
  const ssize_t got = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return fail(errno == EINTR ? EAGAIN : errno);
  for (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, const_cast<cmsghdr*>(header))) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t size = header->cmsg_len - CMSG_LEN(0);
    for (std::size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header) + at, sizeof descriptor);
      descriptors.emplace_back(descriptor);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return fail(EPROTO, "the peer passed more descriptors than it should, or there is no room for them (ulimit -n)");
  }
  return static_cast<std::size_t>(got);
}

}  // namespace ross::fabric::shm
