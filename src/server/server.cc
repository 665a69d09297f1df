#include "server/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "fabric/local/socket_channel.h"
#include "server/connection.h"

namespace ross::server {
namespace {

// Owners of locks that peers take live in the upper half of the numbers, apart from those of this process.
constexpr std::uint64_t kFirstOwner = std::uint64_t{1} << 63;

}  // namespace

Result<std::unique_ptr<Server>> Server::start(engine::Pool& pool, fabric::Socket listener, ServerOptions options) {
  ROSS_TRY(std::unique_ptr<runtime::Loop> loop, runtime::Loop::create());
  ROSS_OK(loop->ring());
  // The program's signals are for its own threads; both threads of the server inherit this.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::unique_ptr<Server> server(new Server(pool, std::move(listener), std::move(options), std::move(loop)));
  server->thread_ = std::thread([self = server.get()] {
    ::pthread_setname_np(::pthread_self(), "ross-server");
    {
      const runtime::Loop::Scope scope(*self->loop_);
      self->post_accept();
    }
    self->loop_->run();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return server;
}

Server::Server(engine::Pool& pool, fabric::Socket listener, ServerOptions options, std::unique_ptr<runtime::Loop> loop)
    : pool_(pool),
      options_(std::move(options)),
      loop_(std::move(loop)),
      listener_(std::move(listener)),
      next_owner_(kFirstOwner) {
  accept_.server = this;
  accept_.done = [](runtime::Completion& self, int result) { static_cast<Accept&>(self).server->accepted(result); };
  turn_.server = this;
  turn_.run = [](runtime::Message& self) { static_cast<Turn&>(self).server->take_turn(); };
}

Server::~Server() { stop_thread(); }

// ---- any thread ----

std::vector<pid_t> Server::peers() {
  const std::lock_guard lock(mutex_);
  return peers_;
}

void Server::finish() {
  if (!thread_.joinable()) return;
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  bool told = false;
  while (!try_stop(false)) {
    std::unique_lock lock(mutex_);
    const auto until = begin + (told ? options_.patience : std::min(options_.tell_after, options_.patience));
    if (changed_.wait_until(lock, until, [this] { return peers_.empty(); })) continue;
    if (Clock::now() - begin >= options_.patience) {
      std::fprintf(stderr, "ross: processes %s still use %s: cutting them off\n",
                   fmt::format("{}", fmt::join(peers_, ", ")).c_str(), options_.pool_name.c_str());
      break;
    }
    std::fprintf(stderr, "ross: waiting for processes %s, which use %s through this one\n",
                 fmt::format("{}", fmt::join(peers_, ", ")).c_str(), options_.pool_name.c_str());
    told = true;
  }
  stop_thread();
}

bool Server::try_stop(bool force) {
  std::unique_lock lock(mutex_);
  if (stop_granted_) return true;  // the loop may have ended already, and would not answer
  stop_asked_ = true;
  stop_forced_ = force;
  stop_answered_ = false;
  loop_->post(turn_);
  changed_.wait(lock, [this] { return stop_answered_; });
  return stop_granted_;
}

void Server::stop_thread() {
  if (!thread_.joinable()) return;
  try_stop(true);
  thread_.join();
}

// ---- on the server's thread ----

void Server::take_turn() {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(stop_asked_, false)) return;
  const bool busy = !connections_.empty() || !greetings_.empty();
  stop_granted_ = stop_forced_ || !busy;
  stop_answered_ = true;
  changed_.notify_all();
  if (!stop_granted_) return;
  if (!std::exchange(stopping_, true)) {
    // Whoever is on the way in is sent away by the kernel and tries again elsewhere.
    ::shutdown(listener_.fd(), SHUT_RDWR);
  }
  for (const auto& [id, greeting] : greetings_) ::shutdown(greeting->socket.fd(), SHUT_RDWR);
  for (const auto& [connection, owned] : connections_) connection->cut_off();
  stop_when_empty();
}

void Server::stop_when_empty() {
  if (stopping_ && !accepting_ && connections_.empty() && greetings_.empty()) loop_->stop();
}

void Server::post_accept() {
  if (stopping_) return stop_when_empty();
  accepting_ = true;
  io_uring_prep_accept(loop_->next_sqe(accept_), listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
}

void Server::accepted(int result) {
  accepting_ = false;
  if (stopping_) {
    if (result >= 0) ::close(result);
    return stop_when_empty();
  }
  if (result >= 0) {
    greet(fabric::Socket(result));
    return post_accept();
  }
  if (result == -EINTR || result == -EAGAIN || result == -ECONNABORTED) return post_accept();
  // Out of descriptors or memory: who waits in the line waits a little longer.
  accepting_ = true;  // the timer stands for it
  loop_->at(loop_->clock().monotonic_ns() + 100'000'000, [this] {
    accepting_ = false;
    post_accept();
  });
}

void Server::greet(fabric::Socket socket) {
  auto made = std::make_unique<Greeting>();
  Greeting& greeting = *made;
  greeting.server = this;
  greeting.socket = std::move(socket);
  greeting.id = next_id_++;
  greeting.done = [](runtime::Completion& self, int result) {
    auto& done = static_cast<Greeting&>(self);
    done.server->greeted(done, result);
  };
  greetings_.emplace(greeting.id, std::move(made));
  io_uring_prep_recv(loop_->next_sqe(greeting), greeting.socket.fd(), &greeting.hello, sizeof greeting.hello,
                     MSG_WAITALL);
  loop_->at(loop_->clock().monotonic_ns() + kGreetingNs, [this, id = greeting.id] {
    const auto found = greetings_.find(id);
    if (found != greetings_.end()) ::shutdown(found->second->socket.fd(), SHUT_RDWR);
  });
}

void Server::greeted(Greeting& greeting, int result) {
  const std::unique_ptr<Greeting> owned = std::move(greetings_.find(greeting.id)->second);
  greetings_.erase(greeting.id);
  const Result<fabric::Peer> peer = fabric::peer_of(owned->socket.fd());
  const bool whole = result == static_cast<int>(sizeof owned->hello) && owned->hello.magic == wire::kMagic;
  if (stopping_ || !whole || !peer.has_value()) return stop_when_empty();
  wire::Hello answer{
      .pid = ::getpid(), .inflight_max = wire::kInflightMax, .inflight_bytes_max = wire::kInflightBytesMax};
  if (owned->hello.version != wire::kVersion) {
    answer.error = EPROTO;
  } else if (peer->uid != ::geteuid() && peer->uid != 0) {
    answer.error = EACCES;
  } else if (connections_.size() >= kConnectionsMax) {
    answer.error = EUSERS;
  }
  // A fresh socket has room for it.
  const ssize_t sent = ::send(owned->socket.fd(), &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent != static_cast<ssize_t>(sizeof answer) || answer.error != 0) return;
  welcome(std::move(owned->socket), *peer);
}

void Server::welcome(fabric::Socket socket, const fabric::Peer& peer) {
  Result<std::unique_ptr<fabric::Channel>> channel = fabric::make_socket_channel(
      *loop_, std::move(socket), {.head_bytes_max = wire::kHeadBytesMax, .payload_bytes_max = wire::kPayloadBytesMax});
  if (!channel.has_value()) return;
  auto made = std::make_unique<Connection>(*this, *std::move(channel));
  Connection& connection = *made;
  connections_.emplace(&connection, std::move(made));
  {
    const std::lock_guard lock(mutex_);
    peers_.push_back(peer.pid);
  }
  connection.start();
}

void Server::connection_ended(Connection& connection) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find(peers_.begin(), peers_.end(), connection.peer().pid);
    if (found != peers_.end()) peers_.erase(found);
    changed_.notify_all();
  }
  connections_.erase(&connection);
  stop_when_empty();
}

// ---- on the worker's thread ----

Result<std::shared_ptr<fs::FileSystem>> Server::open_container(const std::string& name) {
  absl::erase_if(containers_, [](const auto& named) { return named.second.expired(); });
  if (const auto found = containers_.find(name); found != containers_.end()) {
    if (std::shared_ptr<fs::FileSystem> open = found->second.lock()) return open;
  }
  ROSS_TRY(std::unique_ptr<fs::FileSystem> opened, pool_.open_container(name));
  std::shared_ptr<fs::FileSystem> shared = std::move(opened);
  containers_[name] = shared;
  return shared;
}

}  // namespace ross::server
