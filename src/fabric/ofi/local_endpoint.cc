#include "fabric/ofi/local_endpoint.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/log.h"
#include "base/random.h"
#include "fabric/ofi/channel.h"
#include "fabric/ofi/leftovers.h"
#include "fabric/shm/passing.h"

namespace ross::fabric::ofi {
namespace {

constexpr unsigned kPassesBetweenAccepts = 64;
constexpr int kAcceptsPerLook = 16;
constexpr std::int64_t kDialAgainNs = 1'000'000;      // a full backlog
constexpr std::int64_t kLingerLookNs = 2'000'000;     // whether last words were heard
constexpr std::int64_t kAcceptPauseNs = 100'000'000;  // no descriptors left
constexpr std::int64_t kDestructorNs = 50'000'000;    // of an endpoint, for last words to be heard

constexpr std::string_view kAddressForm = "an address of this fabric is the path of a socket, from the root on";
bool is_address(std::string_view address) {
  return address.starts_with('/') && address.size() <= kAddressBytesMax && !address.contains('\0');
}

// Whether the kernel lets us at the memory of who greeted us.
bool reaches(pid_t pid, const PairGreeting& greeting) {
  std::uint64_t found = 0;
  const iovec local{&found, sizeof found};
  const iovec remote{reinterpret_cast<void*>(greeting.probe_address), sizeof found};
  return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof found && found == greeting.probe;
}

constexpr std::string_view kOutOfReach =
    "the kernel does not let the two processes at each other's memory (kernel.yama.ptrace_scope): use shm";

}  // namespace

LocalEndpoint::LocalEndpoint(OfiDomain& domain, runtime::Loop& loop, const EndpointOptions& options)
    : domain_(domain),
      loop_(loop),
      limits_(options.limits),
      acceptor_(options.acceptor),
      path_(options.listen),
      probe_(random_seed()),
      windows_(domain, nullptr) {}

Result<std::unique_ptr<Endpoint>> LocalEndpoint::create(OfiDomain& domain, runtime::Loop& loop,
                                                        const EndpointOptions& options) {
  ROSS_CHECK(options.listen.empty() == (options.acceptor == nullptr), "who listens has an acceptor");
  if (!options.listen.empty() && !is_address(options.listen)) return fail(EINVAL, kAddressForm);
  std::unique_ptr<LocalEndpoint> made(new LocalEndpoint(domain, loop, options));
  ROSS_TRY(made->watch_, shm::Watch::create());
  if (!made->path_.empty()) ROSS_OK(made->listen());
  ROSS_OK(loop.add(*made));
  made->added_ = true;
  return made;
}

LocalEndpoint::~LocalEndpoint() {
  for (const auto& line : lines_) {
    ROSS_CHECK(line->state != Line::State::kMet, "an endpoint was destroyed before its channels");
  }
  if (added_) loop_.remove(*this);
  // Last words leave the sooner the better: what the provider holds is lost with its endpoint.
  const std::int64_t until = system_clock().monotonic_ns() + kDestructorNs;
  const auto unheard = [](const auto& line) { return line->endpoint != nullptr && !line->endpoint->was_heard(); };
  while (std::ranges::any_of(lines_, unheard) && system_clock().monotonic_ns() < until) {
    for (const auto& line : lines_) {
      if (unheard(line)) line->endpoint->poll();
    }
  }
  for (const auto& line : std::exchange(lines_, {})) {
    Connecting* const connecting = std::exchange(line->connecting, nullptr);
    line->endpoint.reset();
    if (connecting != nullptr) connecting->done(*connecting, fail(ECANCELED, "the endpoint was closed"));
  }
}

Status LocalEndpoint::listen() {
  ROSS_STATUS(listener_.open(path_));
  return watch_.add(listener_.fd(), *this);
}

// ---- windows ----

Result<Window> LocalEndpoint::expose(const Exposure& exposure) {
  const auto* const only_for = static_cast<const OfiChannel*>(exposure.only_for);
  return windows_.expose(exposure, only_for != nullptr ? only_for->id() : 0);
}

void LocalEndpoint::revoke(const Window& window) {
  const auto key = decode_key(window.key);
  ROSS_CHECK(key.has_value(), "a window was revoked that was never exposed");
  for (const auto& line : lines_) {
    if (line->endpoint != nullptr) line->endpoint->leave_window(key->id);
  }
  windows_.revoke(key->id);
}

// ---- meeting ----

void LocalEndpoint::connect(std::string_view address, Connecting& connecting, std::int64_t deadline_ns) {
  auto line = std::make_unique<Line>(*this);
  line->connecting = &connecting;
  line->path = address;
  line->deadline_ns = deadline_ns;
  if (!is_address(address)) {
    line->failed = Status(EINVAL, kAddressForm);
  } else {
    dial(*line);
  }
  ++unsettled_;
  lines_.push_back(std::move(line));
}

void LocalEndpoint::dial(Line& line) {
  auto socket = start_connect_to(line.path);
  if (!socket.has_value()) {
    // EAGAIN: too many wait to be accepted there; again until the deadline.
    if (socket.error().error() != EAGAIN) line.failed = socket.error();
    return;
  }
  line.socket = *std::move(socket);
  line.state = Line::State::kGreeting;
  auto page = shm::SharedMemory::create(PairPage::kBytes, shm::SharedMemory::Shape::kPlain);
  if (!page.has_value()) {
    line.failed = std::move(page).error();
    return;
  }
  line.page = *std::move(page);
  line.failed = greet(line, line.socket.fd(), 0);
  line.page.close_descriptor();
  if (line.failed.ok()) line.failed = watch_.add(line.socket.fd(), line);
}

// A new socket has room for a greeting.
Status LocalEndpoint::greet(const Line& line, int fd, std::uint32_t refused) const {
  PairGreeting own;
  own.refused = refused;
  own.pid = static_cast<std::uint32_t>(::getpid());
  own.probe_address = reinterpret_cast<std::uintptr_t>(&probe_);
  own.probe = probe_;
  ROSS_CHECK(line.name.size() < sizeof own.name);
  std::memcpy(own.name, line.name.data(), line.name.size());
  const std::array descriptors = {line.page.fd()};
  return shm::pass(fd, std::as_bytes(std::span(&own, 1)),
                   std::span(descriptors).first(line.connecting != nullptr ? 1 : 0));
}

void LocalEndpoint::accept() {
  for (int i = 0; i < kAcceptsPerLook; ++i) {
    if (lines_.size() >= kChannelsMax) return pause_accepting();
    Socket socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log().warn("{}: cannot accept a connection: {}", path_, Status(errno).message());
        pause_accepting();
      }
      return;
    }
    auto line = std::make_unique<Line>(*this);
    line->state = Line::State::kGreeting;
    line->deadline_ns = now() + kGreetingNs;
    line->socket = std::move(socket);
    line->failed = watch_.add(line->socket.fd(), *line);
    ++unsettled_;
    lines_.push_back(std::move(line));
  }
}

// A listening socket that nobody may come in by is not watched: it would keep the loop awake.
void LocalEndpoint::pause_accepting() {
  watch_.remove(listener_.fd(), *this);
  accept_again_ns_ = now() + kAcceptPauseNs;
}

void LocalEndpoint::read(Line& line) {
  if (line.endpoint != nullptr) {
    // A socket that is broken can be read for ever.
    if (line.endpoint->look_at_pair()) return;
    watch_.remove(line.endpoint->pair_fd(), line);
    if (line.state == Line::State::kMeeting && line.failed.ok()) {
      line.failed = Status(ECONNRESET, "the process at the other end has gone");
    }
    return;
  }
  if (line.state != Line::State::kGreeting || !line.failed.ok()) return;
  const std::span bytes = std::as_writable_bytes(std::span(&line.greeting, 1));
  const auto got = shm::receive_passed(line.socket.fd(), bytes.subspan(line.greeting_bytes), line.descriptors);
  if (!got.has_value()) {
    if (got.error().error() == EAGAIN) return;
    line.failed = got.error();
  } else if (*got == 0) {
    line.failed = Status(ECONNRESET, "the process at the other end closed the connection before it greeted");
  } else if (line.descriptors.size() > 1) {
    // Now: with each byte may come more, and this process has so many.
    line.failed = Status(EPROTO, "the peer passed more descriptors than a greeting has");
  } else {
    line.greeting_bytes += *got;
    // Another program is told by its first bytes; it may never send as many as we wait for.
    const std::uint32_t magic = PairGreeting::kMagic;
    if (std::memcmp(&line.greeting, &magic, std::min(line.greeting_bytes, sizeof magic)) != 0) {
      line.failed = Status(EPROTO, "what is at the other end does not speak this protocol");
    } else if (line.greeting_bytes < sizeof line.greeting) {
      return;
    } else {
      line.failed = take_greeting(line);
    }
  }
  // What was no greeting may go on for ever.
  if (line.socket) watch_.remove(line.socket.fd(), line);
}

Status LocalEndpoint::take_greeting(Line& line) {
  const PairGreeting& theirs = line.greeting;
  if (theirs.version != PairGreeting::kVersion) {
    return Status(EPROTO, "the peer speaks another version of this protocol: run the same release");
  }
  auto peer = peer_of(line.socket.fd());
  if (!peer.has_value()) return std::move(peer).error();
  line.peer = *std::move(peer);
  if (theirs.pid != static_cast<std::uint32_t>(line.peer.pid)) {
    return Status(EACCES,
                  "a process that knows itself by another number, by which the provider would look for its memory");
  }
  if (line.connecting == nullptr) return answer(line);
  if (theirs.refused == ENOTSUP) return Status(ENOTSUP, kOutOfReach);
  if (theirs.refused != 0) {
    const auto error = static_cast<int>(theirs.refused);
    return Status(error, "the other end refuses the connection: " + Status(error).message());
  }
  if (line.peer.uid != ::geteuid()) return Status(EACCES, "the process at the other end is another user's");
  if (!reaches(line.peer.pid, theirs)) return Status(ENOTSUP, kOutOfReach);
  if (!line.descriptors.empty()) return Status(EPROTO, "the peer's greeting makes no sense");
  ROSS_STATUS(make_endpoint(line));
  line.endpoint->connect(line.endpoint->peer_name(), line, line.deadline_ns);
  return {};
}

// Of who was connected to. What it refuses it says.
Status LocalEndpoint::answer(Line& line) {
  const int fd = line.socket.fd();  // which the pair has in the end
  const auto made = [&]() -> Status {
    if (line.peer.uid != ::geteuid()) return Status(EACCES, "a process of another user");
    if (line.descriptors.size() != 1) return Status(EPROTO, "a greeting that makes no sense");
    if (!reaches(line.peer.pid, line.greeting)) return Status(ENOTSUP, kOutOfReach);
    auto page =
        shm::SharedMemory::adopt(std::move(line.descriptors[0]), {.size_bytes = PairPage::kBytes, .writable = true});
    if (!page.has_value()) return std::move(page).error();
    line.page = *std::move(page);
    return make_endpoint(line);
  };
  const Status status = made();
  if (status.ok()) return greet(line, fd, 0);
  if (line.socket) (void)greet(line, fd, static_cast<std::uint32_t>(status.error()));
  return status;
}

Status LocalEndpoint::make_endpoint(Line& line) {
  std::string name(line.greeting.name, ::strnlen(line.greeting.name, sizeof line.greeting.name));
  if (!is_endpoint_name(name)) return Status(EPROTO, "the peer's greeting makes no sense");
  const bool connects = line.connecting != nullptr;
  Pair::Parts parts{.end = connects ? 0U : 1U,
                    .socket = std::move(line.socket),
                    .page = std::move(line.page),
                    .peer = line.peer,
                    .own_name = line.name,
                    .peer_name = std::move(name)};
  if (++generation_ == 0) generation_ = 1;
  auto endpoint =
      OfiEndpoint::create(domain_, loop_, {.limits = limits_, .listen = {}, .acceptor = connects ? nullptr : &line},
                          {.pair = std::make_unique<Pair>(std::move(parts)),
                           .windows = &windows_,
                           .host = &line,
                           .generation = generation_});
  if (!endpoint.has_value()) return std::move(endpoint).error();
  line.endpoint = *std::move(endpoint);
  line.state = Line::State::kMeeting;
  line.done = [](Connecting& self, Result<std::unique_ptr<Channel>> channel) {
    auto& met = static_cast<Line&>(self);
    if (!channel.has_value()) {
      if (met.failed.ok()) met.failed = std::move(channel).error();
      return;
    }
    met.owner.accepted(met, *std::move(channel));
  };
  return {};
}

void LocalEndpoint::accepted(Line& line, std::unique_ptr<Channel> channel) {
  if (line.state != Line::State::kMeeting) return;  // too late: it is destroyed
  line.state = Line::State::kMet;
  --unsettled_;
  Connecting* const connecting = std::exchange(line.connecting, nullptr);
  if (connecting != nullptr) return connecting->done(*connecting, std::move(channel));
  acceptor_->on_channel(std::move(channel));
}

void LocalEndpoint::gone(Line& line) {
  if (line.state != Line::State::kMet) return;
  line.state = Line::State::kOver;
  line.deadline_ns = now() + kLingerNs;
  ++unsettled_;
}

// Lines that have failed, are late, or have nothing left to do.
std::size_t LocalEndpoint::settle() {
  std::size_t count = 0;
  const std::int64_t at = now();
  for (std::size_t i = 0; i < lines_.size();) {
    Line& line = *lines_[i];
    if (line.state == Line::State::kDialing && line.failed.ok() && at < line.deadline_ns) dial(line);
    if (line.state < Line::State::kMet && (!line.failed.ok() || at >= line.deadline_ns)) {
      ++count;
      line.state = Line::State::kOver;
      line.deadline_ns = at;
      tell_failure(line);  // which may add lines
    }
    if (line.state == Line::State::kOver && (at >= line.deadline_ns || line.endpoint->was_heard()) &&
        (line.endpoint == nullptr || line.endpoint->part())) {
      ++count;
      --unsettled_;
      if (line.socket) watch_.remove(line.socket.fd(), line);
      if (line.endpoint != nullptr) watch_.remove(line.endpoint->pair_fd(), line);
      lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    ++i;
  }
  return count;
}

void LocalEndpoint::tell_failure(Line& line) {
  if (line.failed.ok()) line.failed = Status(ETIMEDOUT, "the process at the other end does not answer");
  if (Connecting* const connecting = std::exchange(line.connecting, nullptr); connecting != nullptr) {
    return connecting->done(*connecting, fail(line.failed));
  }
  log().info("{}: a connection was refused: {}", path_, line.failed.message());
}

// ---- the loop's looks ----

std::size_t LocalEndpoint::poll() {
  std::size_t count = 0;
  if (look_now_ || ++passes_ % kPassesBetweenAccepts == 0) {
    look_now_ = false;
    if (accept_again_ns_ != 0 && now() >= accept_again_ns_ && lines_.size() < kChannelsMax &&
        watch_.add(listener_.fd(), *this).ok()) {
      accept_again_ns_ = 0;
    }
    count += watch_.look();
  }
  if (unsettled_ > 0) count += settle();
  return count;
}

std::int64_t LocalEndpoint::arm() {
  std::int64_t least = kUntilReadable;
  look_now_ = true;
  if (unsettled_ == 0 && accept_again_ns_ == 0) return least;
  const std::int64_t at = now();
  if (accept_again_ns_ != 0) least = std::max<std::int64_t>(kDialAgainNs, accept_again_ns_ - at);
  for (const auto& line : lines_) {
    if (line->state == Line::State::kMet) continue;
    if (line->state == Line::State::kOver) {
      least = std::min(least, kLingerLookNs);
      continue;
    }
    if (!line->failed.ok()) return 0;
    least = std::min(least, std::max<std::int64_t>(0, line->deadline_ns - at));
    if (line->state == Line::State::kDialing) least = std::min(least, kDialAgainNs);
  }
  return least;
}

}  // namespace ross::fabric::ofi
