#include "fabric/shm/peer_memory.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "fabric/shm/region.h"

namespace ross::fabric::shm {

PeerMemory::PeerMemory(InboxHeader* inbox, SharedMemory table, const Hello& hello, const Peer& peer)
    : inbox_(inbox), table_(std::move(table)), pid_(peer.pid), link_(hello.link) {
  if (pid_ > 0) process_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!table_ || !process_) return;
  reads_ = probe(hello);
  if (!reads_) return;
  // Writes what was just read to where it was read, so that a false address changes nothing.
  auto bytes = hello.probe;
  iovec local{.iov_base = bytes.data(), .iov_len = bytes.size()};
  iovec remote{.iov_base = reinterpret_cast<void*>(hello.probe_address), .iov_len = bytes.size()};
  writes_ = ::process_vm_writev(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes.size());
}

// Whether the process of that number holds the bytes that the peer said: then it is the peer, and the kernel lets us read.
bool PeerMemory::probe(const Hello& hello) {
  std::array<std::byte, sizeof hello.probe> bytes{};
  iovec local{.iov_base = bytes.data(), .iov_len = bytes.size()};
  iovec remote{.iov_base = reinterpret_cast<void*>(hello.probe_address), .iov_len = bytes.size()};
  return ::process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes.size()) &&
         bytes == hello.probe && !process_gone();
}

bool PeerMemory::process_gone() const {
  if (!process_) return false;
  pollfd process{.fd = process_.fd(), .events = POLLIN, .revents = 0};
  return ::poll(&process, 1, 0) > 0;
}

Result<PeerMemory::Piece> PeerMemory::begin(std::size_t mark, const Window& window, Access access, std::uint64_t offset,
                                            std::uint64_t size_bytes) {
  const auto key = parse_key(window);
  if (!key || key->index >= Endpoint::kWindowsMax) return fail(refused());
  if (!table_) return Piece{.out_of_reach = true};
  constexpr auto kRelaxed = std::memory_order_relaxed;
  std::atomic<std::uint32_t>& marked = inbox_->marks[mark];
  marked.store(static_cast<std::uint32_t>(key->index + 1), std::memory_order_seq_cst);
  const WindowEntry& entry = reinterpret_cast<const WindowEntry*>(table_.data())[key->index];
  const bool open = entry.state.load(std::memory_order_seq_cst) == 1;
  if (inbox_->ended.load(std::memory_order_seq_cst) != 0) {
    marked.store(0, std::memory_order_release);
    return fail(ESHUTDOWN, "the process at the other end has closed the connection");
  }
  const std::array secret = {entry.key[0].load(kRelaxed), entry.key[1].load(kRelaxed)};
  const std::uint64_t size = entry.size_bytes.load(kRelaxed);
  const std::uint64_t only_for = entry.only_for.load(kRelaxed);
  if (!open || !same_key(secret, key->secret) || entry.access.load(kRelaxed) != static_cast<std::uint32_t>(access) ||
      (only_for != 0 && only_for != link_) || offset > size || size_bytes > size - offset) {
    marked.store(0, std::memory_order_release);
    return fail(refused());
  }
  Piece piece;
  if (const std::uint64_t id = entry.region.load(kRelaxed); id != 0) {
    if (const SharedMemory* const region = find_region(id); region != nullptr) {
      const std::size_t room = region->size_bytes() - kRegionTrailerBytes;
      const std::uint64_t at = entry.region_offset.load(kRelaxed);
      if (at > room || offset > room - at || size_bytes > room - at - offset) {
        marked.store(0, std::memory_order_release);
        return fail(EPROTO, "the peer's window lies outside the memory it passed");
      }
      piece.mapped = region->data() + at + offset;
      return piece;
    }
    // The descriptor may be waiting on the socket: told once, the next time the other ways are good enough.
    if (id != missing_region_) {
      missing_region_ = id;
      marked.store(0, std::memory_order_release);
      return Piece{.region_missing = true};
    }
  }
  piece.address = entry.address.load(kRelaxed) + offset;
  piece.out_of_reach = !(access == Access::kRead ? reads_ : writes_);
  if (piece.out_of_reach) marked.store(0, std::memory_order_release);
  return piece;
}

void PeerMemory::unmark(std::size_t first, std::size_t count) {
  for (std::size_t i = first; i < first + count; ++i) inbox_->marks[i].store(0, std::memory_order_release);
}

Result<std::size_t> PeerMemory::copy(Access access, const iovec* local, std::size_t locals, const iovec* remote,
                                     std::size_t remotes) {
  // The process's number is its own as long as it has not been waited for, which comes after this look says gone.
  if (process_gone()) return fail(ESHUTDOWN, "the process at the other end has gone");
  const ssize_t moved = access == Access::kRead ? ::process_vm_readv(pid_, local, locals, remote, remotes, 0)
                                                : ::process_vm_writev(pid_, local, locals, remote, remotes, 0);
  if (moved > 0) return static_cast<std::size_t>(moved);
  switch (moved == 0 ? EFAULT : errno) {
    case ESRCH:
      return fail(ESHUTDOWN, "the process at the other end has gone");
    case EFAULT:
      return fail(EFAULT, "the memory of the window or of the transfer is not mapped");
    case ENOMEM:
      return fail(ENOMEM);
    default:
      // The peer gave up rights or took them away since the connection was made.
      (access == Access::kRead ? reads_ : writes_) = false;
      return fail(ENOTSUP);
  }
}

const SharedMemory* PeerMemory::find_region(std::uint64_t id) {
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i].id != id) continue;
    // The one used last is found first the next time.
    if (i > 0) std::swap(regions_[i], regions_[0]);
    return &regions_[0].memory;
  }
  return nullptr;
}

Status PeerMemory::add_region(std::uint64_t id, Descriptor descriptor) {
  if (!table_ || id == 0) return Status(EPROTO, "the peer passed a region it must not");
  auto adopted = SharedMemory::adopt(std::move(descriptor), {.size_bytes = 0, .writable = true});
  if (!adopted.has_value()) return std::move(adopted).error();
  if (adopted->size_bytes() <= kRegionTrailerBytes || adopted->size_bytes() % kRegionTrailerBytes != 0) {
    return Status(EPROTO, "the peer passed a region of a size that none has");
  }
  std::erase_if(regions_, [id](const Mapped& mapped) {
    const auto* const trailer =
        reinterpret_cast<const RegionTrailer*>(mapped.memory.data() + mapped.memory.size_bytes() - kRegionTrailerBytes);
    return mapped.id == id || trailer->ended.load(std::memory_order_acquire) != 0;
  });
  // Beyond the bound transfers go the other ways.
  if (regions_.size() < kRegionsMax) regions_.push_back({.id = id, .memory = *std::move(adopted)});
  return {};
}

}  // namespace ross::fabric::shm
