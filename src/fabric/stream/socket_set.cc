#include "fabric/stream/socket_set.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "fabric/stream/stream_channel.h"

namespace ross::fabric::stream {

Result<std::shared_ptr<SocketSet>> SocketSet::create(runtime::Loop& loop) {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return fail(errno, "cannot make an epoll: raise the open file limit (ulimit -n)");
  std::shared_ptr<SocketSet> set(new SocketSet(loop, fd));
  ROSS_OK(loop.add(*set));
  set->added_ = true;
  return set;
}

SocketSet::~SocketSet() {
  if (added_) loop_.remove(*this);
  ::close(epoll_fd_);
}

Status SocketSet::watch(int fd, Watched& watched, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  if (::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return Status(errno, "cannot watch a socket");
  watched.events_ = events;
  if ((events & EPOLLOUT) != 0) ++writers_;
  look_ = true;
  return {};
}

void SocketSet::rewatch(int fd, Watched& watched, std::uint32_t events) {
  epoll_event event{.events = events, .data = {.ptr = &watched}};
  ROSS_CHECK(::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0, "a socket is watched that is not in the set");
  if ((watched.events_ & EPOLLOUT) != 0) --writers_;
  if ((events & EPOLLOUT) != 0) ++writers_;
  watched.events_ = events;
}

void SocketSet::unwatch(int fd, Watched& watched) {
  // By hand and not by closing the descriptor: a forked copy of it would keep it in the set.
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  if ((watched.events_ & EPOLLOUT) != 0) --writers_;
  watched.events_ = 0;
  for (epoll_event& event : events_) {
    if (event.data.ptr == &watched) event.data.ptr = nullptr;
  }
}

void SocketSet::set_deadline(Watched& watched, std::int64_t deadline_ns) {
  const bool timed = watched.deadline_ns_ != INT64_MAX;
  watched.deadline_ns_ = deadline_ns;
  if (!timed && deadline_ns != INT64_MAX) timed_.push_back(&watched);
  if (timed && deadline_ns == INT64_MAX) *std::find(timed_.begin(), timed_.end(), &watched) = nullptr;
}

void SocketSet::received(StreamChannel& channel) {
  for (Active& active : active_) {
    if (active.channel == &channel) {
      active.vain = 0;
      return;
    }
  }
  if (active_.size() < kActiveMax) active_.push_back({&channel, 0});
}

void SocketSet::stop_receiving(StreamChannel& channel) {
  for (Active& active : active_) {
    if (active.channel == &channel) active.channel = nullptr;
  }
}

void SocketSet::forget(StreamChannel& channel) {
  stop_receiving(channel);
  for (auto* const list : {&sending_, &sending_now_, &ended_}) {
    std::replace(list->begin(), list->end(), &channel, static_cast<StreamChannel*>(nullptr));
  }
}

std::size_t SocketSet::poll() {
  if (in_poll_) return 0;  // a receiver drives the loop: this pass goes on when it returns
  const std::shared_ptr<SocketSet> self = shared_from_this();
  in_poll_ = true;
  std::size_t count = tell_ended();
  count += send_queued();
  count += receive_active();
  if (should_ask()) count += ask_epoll();
  if (!timed_.empty()) count += run_deadlines();
  count += send_queued();
  quiet_ = count > 0 ? 0 : quiet_ + 1;
  in_poll_ = false;
  return count;
}

std::int64_t SocketSet::arm() {
  if (!sending_.empty() || !ended_.empty()) return 0;
  std::int64_t sleep_ns = kUntilReadable;
  std::int64_t now_ns = 0;
  for (const Watched* const watched : timed_) {
    if (watched == nullptr) continue;
    if (now_ns == 0) now_ns = loop_.clock().monotonic_ns();
    sleep_ns = std::min(sleep_ns, std::max<std::int64_t>(0, watched->deadline_ns_ - now_ns));
  }
  return sleep_ns;
}

std::size_t SocketSet::tell_ended() {
  if (ended_.empty()) return 0;
  std::size_t count = 0;
  // By index: the last calls of a channel may end others, and destroy any of them.
  for (std::size_t i = 0, size = ended_.size(); i < size; ++i) {
    if (StreamChannel* const channel = std::exchange(ended_[i], nullptr); channel != nullptr) {
      channel->tell_closed();
      ++count;
    }
  }
  std::erase(ended_, nullptr);
  return count;
}

std::size_t SocketSet::send_queued() {
  if (sending_.empty()) return 0;
  std::size_t count = 0;
  sending_now_.swap(sending_);
  for (std::size_t i = 0; i < sending_now_.size(); ++i) {
    if (sending_now_[i] != nullptr) count += sending_now_[i]->send_queued();
  }
  sending_now_.clear();
  return count;
}

std::size_t SocketSet::receive_active() {
  std::size_t count = 0;
  for (std::size_t i = 0; i < active_.size(); ++i) {
    StreamChannel* const channel = active_[i].channel;
    if (channel == nullptr) continue;
    const std::size_t got = channel->receive();
    count += got;
    if (got == 0 && ++active_[i].vain >= kVainMax) active_[i].channel = nullptr;
  }
  std::erase_if(active_, [](const Active& active) { return active.channel == nullptr; });
  return count;
}

bool SocketSet::should_ask() {
  ++pass_;
  if (std::exchange(look_, false)) return true;
  // A set with nothing to do in a busy loop costs next to nothing.
  if (active_.empty() ? quiet_ < kQuietPasses : writers_ > 0) return true;
  // With many of them busy there are more than those that are tried, and a pass is long for who is none of them.
  if (active_.size() == kActiveMax) return true;
  return pass_ % kAskEvery == 0;
}

std::size_t SocketSet::ask_epoll() {
  std::array<epoll_event, kEventsMax> events;
  const int ready = ::epoll_wait(epoll_fd_, events.data(), kEventsMax, 0);
  if (ready <= 0) return 0;
  std::size_t count = 0;
  events_ = std::span(events).first(static_cast<std::size_t>(ready));
  for (const epoll_event& event : events_) {
    if (event.data.ptr != nullptr) count += static_cast<Watched*>(event.data.ptr)->on_ready(event.events);
  }
  events_ = {};
  if (ready == kEventsMax) look_ = true;
  return count;
}

std::size_t SocketSet::run_deadlines() {
  std::size_t count = 0;
  const std::int64_t now_ns = loop_.clock().monotonic_ns();
  for (std::size_t i = 0, size = timed_.size(); i < size; ++i) {
    Watched* const watched = timed_[i];
    if (watched == nullptr || watched->deadline_ns_ > now_ns) continue;
    timed_[i] = nullptr;
    watched->deadline_ns_ = INT64_MAX;
    watched->on_deadline();
    ++count;
  }
  std::erase(timed_, nullptr);
  return count;
}

}  // namespace ross::fabric::stream
