#include "fabric/shm/watch.h"

namespace ross::fabric::shm {

Result<Watch> Watch::create() {
  Watch watch;
  watch.epoll_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!watch.epoll_) return fail(errno, "cannot make an epoll: raise the open file limit (ulimit -n)");
  return watch;
}

Status Watch::add(int fd, Watched& watched) {
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.ptr = &watched}};
  if (::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, fd, &event) != 0) return Status(errno);
  return {};
}

void Watch::remove(int fd, Watched& watched) {
  ::epoll_ctl(epoll_.fd(), EPOLL_CTL_DEL, fd, nullptr);
  for (std::size_t i = next_; i < count_; ++i) {
    if (events_[i].data.ptr == &watched) events_[i].data.ptr = nullptr;
  }
}

std::size_t Watch::look() {
  const int ready = ::epoll_wait(epoll_.fd(), events_.data(), static_cast<int>(kBatch), 0);
  count_ = ready > 0 ? static_cast<std::size_t>(ready) : 0;
  std::size_t called = 0;
  for (next_ = 0; next_ < count_;) {
    auto* const watched = static_cast<Watched*>(events_[next_++].data.ptr);
    if (watched == nullptr) continue;
    watched->on_ready();
    ++called;
  }
  count_ = 0;
  return called;
}

}  // namespace ross::fabric::shm
