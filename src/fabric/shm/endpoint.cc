#include "fabric/shm/endpoint.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/log.h"
#include "base/machine.h"

namespace ross::fabric::shm {
namespace {

constexpr unsigned kPassesBetweenLooks = 64;
constexpr int kAcceptsPerLook = 16;
constexpr std::int64_t kRetryNs = 1'000'000;          // a full backlog
constexpr std::int64_t kAcceptPauseNs = 100'000'000;  // no descriptors left

constexpr std::string_view kAddressForm = "an address of shm is the path of a socket, from the root on";
bool is_address(std::string_view address) {
  return address.starts_with('/') && address.size() <= kAddressBytesMax && !address.contains('\0');
}

}  // namespace

ShmEndpoint::ShmEndpoint(runtime::Loop& loop, const ShmOptions& options, const EndpointOptions& endpoint_options)
    : loop_(loop),
      options_(options),
      limits_(endpoint_options.limits),
      acceptor_(endpoint_options.acceptor),
      path_(endpoint_options.listen) {}

Result<std::unique_ptr<Endpoint>> ShmEndpoint::open(runtime::Loop& loop, const ShmOptions& options,
                                                    const EndpointOptions& endpoint_options) {
  if (!endpoint_options.listen.empty() && !is_address(endpoint_options.listen)) return fail(EINVAL, kAddressForm);
  std::unique_ptr<ShmEndpoint> endpoint(new ShmEndpoint(loop, options, endpoint_options));
  // A record takes half a ring at most, and its head half of that; a ring is mapped by whole pages.
  const std::size_t needed =
      std::max(std::bit_ceil(4 * record_bytes(endpoint->limits_.head_bytes_max, 0)), page_bytes());
  endpoint->ring_bytes_ = std::max(options.ring_bytes, needed);
  if (endpoint->ring_bytes_ > kRingBytesMax || endpoint->limits_.payload_bytes_max > UINT32_MAX) {
    return fail(EINVAL, "shm has heads up to 16 MiB and payloads below 4 GiB");
  }
  ROSS_CHECK(::getrandom(endpoint->probe_.data(), endpoint->probe_.size(), 0) == sizeof endpoint->probe_);
  ROSS_TRY(endpoint->watch_, Watch::create());
  ROSS_TRY(endpoint->windows_, WindowTable::create());
  if (!endpoint->path_.empty()) ROSS_OK(endpoint->listen());
  ROSS_OK(loop.add(*endpoint));
  endpoint->added_ = true;
  return endpoint;
}

ShmEndpoint::~ShmEndpoint() {
  ROSS_CHECK(std::ranges::all_of(channels_, [](const ShmChannel* channel) { return channel == nullptr; }),
             "an endpoint was destroyed before its channels");
  if (added_) loop_.remove(*this);
  for (const auto& pending : std::exchange(pending_, {})) {
    if (pending->connecting != nullptr) {
      pending->connecting->done(*pending->connecting, fail(ECANCELED, "the endpoint was closed"));
    }
  }
}

Status ShmEndpoint::listen() {
  ROSS_STATUS(listener_.open(path_));
  if (options_.socket_mode != 0600 && ::chmod(path_.c_str(), options_.socket_mode) != 0) return Status(errno);
  ROSS_STATUS(watch_.add(listener_.fd(), *this));
  listening_ = true;
  return {};
}

// ---- windows ----

Result<Window> ShmEndpoint::expose(const Exposure& exposure) {
  const auto* const only_for = static_cast<const ShmChannel*>(exposure.only_for);
  const auto* const region = static_cast<const ShmRegion*>(exposure.region);
  WindowTable::Place place{.only_for = only_for != nullptr ? only_for->number() : 0};
  if (region != nullptr) {
    ROSS_CHECK(region->holds(exposure.memory), "a window outside its region");
    if (const auto& shared = region->shared(); shared != nullptr) {
      place.region = shared->id;
      place.region_offset = static_cast<std::uint64_t>(exposure.memory.data() - region->memory().data());
      std::erase_if(regions_, [](const auto& known) { return known.expired(); });
      if (std::ranges::none_of(regions_, [&](const auto& known) { return known.lock() == shared; })) {
        regions_.push_back(shared);
      }
      for (ShmChannel* const channel : channels_) {
        if (channel != nullptr && (only_for == nullptr || channel == only_for)) channel->share(*shared);
      }
    }
  }
  return windows_.open(exposure.memory, exposure.access, place);
}

void ShmEndpoint::revoke(const Window& window) {
  const std::uint32_t index = windows_.index_of(window);
  const std::uint64_t only_for = windows_.only_for(index);
  windows_.close(index);
  for (ShmChannel* const channel : channels_) {
    if (channel != nullptr && (only_for == 0 || channel->number() == only_for)) channel->revoked(index);
  }
  windows_.release(index);
}

// ---- connections ----

void ShmEndpoint::connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) {
  auto pending = std::make_unique<Pending>();
  pending->endpoint = this;
  pending->connecting = &connecting;
  pending->path = address;
  pending->deadline_ns = deadline_ns;
  if (!is_address(address)) {
    pending->failed = Status(EINVAL, kAddressForm);
  } else {
    dial(*pending);
  }
  pending_.push_back(std::move(pending));
}

void ShmEndpoint::dial(Pending& pending) {
  auto socket = start_connect_to(pending.path);
  if (!socket.has_value()) {
    // EAGAIN: too many wait to be accepted there; again until the deadline.
    if (socket.error().error() != EAGAIN) pending.failed = socket.error();
    return;
  }
  pending.failed = greet(pending, *std::move(socket));
}

Status ShmEndpoint::greet(Pending& pending, Socket socket) {
  auto greeting = Greeting::begin(std::move(socket), {.ring_bytes = ring_bytes_,
                                                      .direct = options_.direct,
                                                      .table_fd = windows_.fd(),
                                                      .number = ++links_,
                                                      .probe = &probe_});
  if (!greeting.has_value()) return std::move(greeting).error();
  pending.greeting = *std::move(greeting);
  return watch_.add(pending.greeting->fd(), pending);
}

void ShmEndpoint::Pending::on_ready() {
  if (complete || !failed.ok()) return;
  const auto whole = greeting->advance();
  if (!whole.has_value()) {
    failed = whole.error();
  } else if (*whole) {
    complete = true;
  } else {
    return;
  }
  endpoint->watch_.remove(greeting->fd(), *this);
}

void ShmEndpoint::accept() {
  for (int i = 0; i < kAcceptsPerLook && pending_.size() < kPendingMax && channels_.size() < kChannelsMax; ++i) {
    Socket socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log().warn("{}: cannot accept a connection: {}", path_, Status(errno).message());
        accept_again_ns_ = loop_.clock().monotonic_ns() + kAcceptPauseNs;
      }
      break;
    }
    auto pending = std::make_unique<Pending>();
    pending->endpoint = this;
    pending->deadline_ns = loop_.clock().monotonic_ns() + kGreetingNs;
    pending->failed = greet(*pending, std::move(socket));
    pending_.push_back(std::move(pending));
  }
  listen_if_room();
}

// A listening socket that nobody may come in by is not watched: it would keep the loop awake.
void ShmEndpoint::listen_if_room() {
  if (!listener_) return;
  if (accept_again_ns_ != 0 && loop_.clock().monotonic_ns() >= accept_again_ns_) accept_again_ns_ = 0;
  const bool room = accept_again_ns_ == 0 && pending_.size() < kPendingMax && channels_.size() < kChannelsMax;
  if (room == listening_) return;
  if (!room) {
    watch_.remove(listener_.fd(), *this);
    listening_ = false;
  } else {
    listening_ = watch_.add(listener_.fd(), *this).ok();
  }
}

// Connections that are made, failed, or late.
std::size_t ShmEndpoint::settle_pending() {
  std::size_t count = 0;
  const std::int64_t now = loop_.clock().monotonic_ns();
  for (std::size_t i = 0; i < pending_.size();) {
    Pending& pending = *pending_[i];
    if (pending.failed.ok() && pending.greeting == nullptr && now < pending.deadline_ns) dial(pending);
    if (pending.failed.ok() && !pending.complete) {
      if (now < pending.deadline_ns) {
        ++i;
        continue;
      }
      pending.failed = Status(ETIMEDOUT, "the process at the other end does not answer");
      if (pending.greeting != nullptr) watch_.remove(pending.greeting->fd(), pending);
    }
    const std::unique_ptr<Pending> ready = std::move(pending_[i]);
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(i));
    finish(*ready);
    ++count;
  }
  if (count > 0) listen_if_room();
  return count;
}

void ShmEndpoint::finish(Pending& pending) {
  if (!pending.failed.ok()) {
    if (pending.connecting != nullptr) return pending.connecting->done(*pending.connecting, fail(pending.failed));
    return log().info("{}: a connection was refused: {}", path_, pending.failed.message());
  }
  auto channel = std::make_unique<ShmChannel>(*this, pending.greeting->take(), limits_);
  ShmChannel& made = *channel;
  channels_.push_back(&made);
  made.begin();
  for (const auto& known : regions_) {
    if (const auto region = known.lock(); region != nullptr) made.share(*region);
  }
  if (pending.connecting != nullptr) return pending.connecting->done(*pending.connecting, std::move(channel));
  acceptor_->on_channel(std::move(channel));
}

void ShmEndpoint::forget(ShmChannel& channel) {
  const auto found = std::ranges::find(channels_, &channel);
  ROSS_CHECK(found != channels_.end());
  if (in_pass_) {
    *found = nullptr;
  } else {
    channels_.erase(found);
    listen_if_room();
  }
}

// ---- the loop's looks ----

std::size_t ShmEndpoint::poll() {
  std::size_t count = 0;
  in_pass_ = true;
  if (look_now_ || ++passes_ % kPassesBetweenLooks == 0) {
    look_now_ = false;
    count += watch_.look();
    if (accept_again_ns_ != 0) listen_if_room();
  }
  if (!pending_.empty()) count += settle_pending();
  // By index: a channel's calls may make others.
  for (std::size_t i = 0; i < channels_.size(); ++i) {
    if (channels_[i] != nullptr) count += channels_[i]->poll();
  }
  in_pass_ = false;
  if (std::erase(channels_, nullptr) > 0) listen_if_room();
  return count;
}

std::int64_t ShmEndpoint::arm() {
  std::int64_t least = kUntilReadable;
  if (!pending_.empty() || accept_again_ns_ != 0) {
    const std::int64_t now = loop_.clock().monotonic_ns();
    if (accept_again_ns_ != 0) least = std::max<std::int64_t>(0, accept_again_ns_ - now);
    for (const auto& pending : pending_) {
      if (!pending->failed.ok() || pending->complete) return 0;
      const std::int64_t left = std::max<std::int64_t>(0, pending->deadline_ns - now);
      least = std::min(least, pending->greeting == nullptr ? std::min(left, kRetryNs) : left);
    }
  }
  for (ShmChannel* const channel : channels_) least = std::min(least, channel->arm());
  if (least > 0) look_now_ = true;
  return least;
}

void ShmEndpoint::disarm() {
  for (ShmChannel* const channel : channels_) channel->disarm();
}

}  // namespace ross::fabric::shm
