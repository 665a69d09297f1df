#include "server/server.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "base/log.h"
#include "base/machine.h"
#include "server/connection.h"

namespace ross::server {
namespace {

// Owners of locks that peers take live in the upper half of the numbers, apart from those of this process. One count for all
// servers: two may serve the same pool.
std::atomic<std::uint64_t> owners_given{std::uint64_t{1} << 63};

std::vector<fabric::Domain*> domains_of(const std::vector<Listener>& listeners) {
  std::vector<fabric::Domain*> domains;
  for (const Listener& listener : listeners) domains.push_back(listener.domain.get());
  return domains;
}

}  // namespace

Result<std::unique_ptr<Server>> Server::start(engine::Pool& pool, std::vector<Listener> listeners,
                                              ServerOptions options) {
  std::unique_ptr<runtime::Loop> own_loop;
  if (options.loop == nullptr) {
    ROSS_TRY(own_loop, runtime::Loop::create());
  }
  if (options.pool_wide == nullptr) {
    options.pool_wide = std::make_shared<PoolWide>(1);
    ROSS_OK(options.pool_wide->load(options.remembers ? pool.clients() : nullptr));
  }
  std::unique_ptr<Server> server(new Server(pool, std::move(listeners), std::move(options), std::move(own_loop)));
  server->returning_.load(server->wide_->take_awaited(server->options_.place));
  if (Status status = server->open_endpoints(); !status.ok()) {
    server->ended_ = true;
    return fail(std::move(status));
  }
  server->wide_->begins();
  if (server->own_loop_ == nullptr) return server;
  // The program's signals are for its own threads.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  server->thread_ = std::thread([self = server.get()] {
    self->name_and_pin();
    while (!self->ended_) self->loop_.wait();
    self->loop_.poll();  // who asked for a session at the last moment is told
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return server;
}

Server::Server(engine::Pool& pool, std::vector<Listener> listeners, ServerOptions options,
               std::unique_ptr<runtime::Loop> own_loop)
    : pool_(pool),
      clients_(options.remembers ? pool.clients() : nullptr),
      options_(std::move(options)),
      wide_(options_.pool_wide),
      own_loop_(std::move(own_loop)),
      loop_(own_loop_ != nullptr ? *own_loop_ : *options_.loop),
      listeners_(std::move(listeners)),
      buffers_(domains_of(listeners_)),
      acceptors_(listeners_.size()),
      worker_(own_loop_ != nullptr),
      returning_(clients_, worker_) {
  for (std::size_t i = 0; i < acceptors_.size(); ++i) {
    acceptors_[i].server = this;
    acceptors_[i].listener = i;
  }
  turns_.server = this;
  turn_.server = this;
  turn_.run = [](runtime::Message& self) { static_cast<Turn&>(self).server->take_turn(); };
}

// Before the loop's thread runs.
Status Server::open_endpoints() {
  const runtime::Loop::Scope scope(loop_);
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    auto endpoint = listeners_[i].domain->open(
        loop_, {.limits = {.head_bytes_max = wire::kHeadBytesMax, .payload_bytes_max = wire::kPayloadBytesMax},
                .listen = listeners_[i].address,
                .acceptor = &acceptors_[i]});
    if (!endpoint.has_value()) return std::move(endpoint).error();
    addresses_.push_back((*endpoint)->address());
    endpoints_.push_back(*std::move(endpoint));
  }
  // Behind the endpoints, so that it sees what a pass has received.
  ROSS_STATUS(loop_.add(turns_));
  if (returning_.grace()) {
    log().info("clients of before may come back within {} ms", options_.lease.count());
    at(loop_.clock().monotonic_ns() + lease_ns(), [this] { returning_.end(); });
    at(loop_.clock().monotonic_ns() + 2 * lease_ns(), [this] { end_reclaiming(); });
    returning_.when_idle([this] { stop_when_empty(); });
    returning_.when_over([this] { grace_is_over(); });
  }
  return {};
}

// The thread's first.
void Server::name_and_pin() {
  const std::string name = options_.place == 0 ? "ross-server" : fmt::format("ross-server-{}", options_.place);
  ::pthread_setname_np(::pthread_self(), name.c_str());
  if (!options_.core.has_value()) return;
  if (const Status status = pin_to(*options_.core); !status.ok()) {
    log().warn("{} runs on any processor, not on {} alone: {}", name, *options_.core, status.message());
  }
}

Server::~Server() {
  stop();
  *alive_ = false;
}

std::uint64_t Server::new_owner() { return owners_given.fetch_add(1, std::memory_order_relaxed); }

// ---- any thread ----

std::vector<pid_t> Server::peers() {
  const std::lock_guard lock(mutex_);
  return peers_;
}

void Server::finish() {
  if (own_loop_ == nullptr) return stop();
  if (!thread_.joinable()) return;
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  bool told = false;
  while (!try_stop(false)) {
    std::unique_lock lock(mutex_);
    const auto until = begin + (told ? options_.patience : std::min(options_.tell_after, options_.patience));
    if (changed_.wait_until(lock, until, [this] { return peers_.empty(); })) continue;
    if (Clock::now() - begin >= options_.patience) {
      if (options_.patience > std::chrono::milliseconds(0))
        std::fprintf(stderr, "ross: processes %s still use %s: cutting them off\n",
                     fmt::format("{}", fmt::join(peers_, ", ")).c_str(), options_.pool_name.c_str());
      break;
    }
    std::fprintf(stderr, "ross: waiting for processes %s, which use %s through this one\n",
                 fmt::format("{}", fmt::join(peers_, ", ")).c_str(), options_.pool_name.c_str());
    told = true;
  }
  stop();
}

void Server::await_answer(std::unique_lock<std::mutex>& lock) {
  if (own_loop_ != nullptr) return changed_.wait(lock, [this] { return stop_answered_; });
  while (!stop_answered_) {
    lock.unlock();
    loop_.wait();
    lock.lock();
  }
}

bool Server::try_stop(bool force) {
  std::unique_lock lock(mutex_);
  if (stop_granted_) return true;  // the loop may have ended already, and would not answer
  stop_asked_ = true;
  stop_forced_ = force;
  stop_answered_ = false;
  loop_.post(turn_);
  await_answer(lock);
  return stop_granted_;
}

void Server::stop() {
  if (own_loop_ == nullptr) {
    if (!ended_) try_stop(true);
    while (!ended_) loop_.wait();
  } else if (thread_.joinable()) {
    try_stop(true);
    thread_.join();
  }
}

// ---- on the server's thread ----

void Server::take_turn() {
  std::unique_lock lock(mutex_);
  if (!std::exchange(stop_asked_, false)) return;
  const bool busy = !connections_.empty() || !sessions_.empty() || beginning_ > 0;
  stop_granted_ = stop_forced_ || !busy;
  stop_answered_ = true;
  changed_.notify_all();
  if (!stop_granted_) return;
  lock.unlock();
  stopping_ = true;
  returning_.stop();
  std::vector<Connection*> connected;
  for (const auto& [id, connection] : connections_) connected.push_back(connection.get());
  std::ranges::sort(connected, {}, &Connection::id);
  for (Connection* const connection : connected) connection->cut_off();
  // From here on nobody is told anything, neither who waits for a lock nor who waits for the grace to end.
  wide_->stops();
  wide_->wake();
  std::vector<Session*> alone;
  for (const auto& [token, session] : sessions_) {
    if (session->connections.empty() && !session->leaving) alone.push_back(session.get());
  }
  for (Session* const session : alone) session->end_now();
  stop_when_empty();
}

// Whoever is on the way in is sent away when the endpoints go, and tries again elsewhere.
void Server::stop_when_empty() {
  if (!stopping_ || ended_ || !connections_.empty() || !sessions_.empty() || beginning_ > 0 || returning_.busy())
    return;
  endpoints_.clear();
  loop_.remove(turns_);
  ended_ = true;
}

void Server::at(std::int64_t monotonic_ns, std::function<void()> call) {
  loop_.at(monotonic_ns, [alive = alive_, call = std::move(call)] {
    if (*alive) call();
  });
}

void Server::admit(std::unique_ptr<fabric::Channel> channel, std::size_t listener) {
  if (stopping_ || greetings_ >= kGreetingsMax) return;
  const std::uint64_t id = next_connection_++;
  auto made = std::make_unique<Connection>(*this, id, std::move(channel), listener);
  Connection& connection = *made;
  connections_.emplace(id, std::move(made));
  ++greetings_;
  at(loop_.clock().monotonic_ns() + kGreetingNs, [this, id] {
    const auto found = connections_.find(id);
    if (found != connections_.end() && !found->second->greeted()) found->second->cut_off();
  });
  connection.start();
}

Result<Session*> Server::session_for(const wire::Hello& hello, const fabric::Peer& peer) {
  if (stopping_) return fail(ESHUTDOWN, "the server is stopping");
  if (hello.kind == wire::Kind::kTransfers) return session_for_transfers(hello.session, peer);
  if (hello.session != wire::Token{}) {
    const auto found = sessions_.find(hello.session);
    if (found == sessions_.end()) refuse(identity::Reason::kSession, {}, peer, "join a session");
    if (found != sessions_.end() && found->second->expired()) {
      refuse(identity::Reason::kExpired, found->second->who(), peer, "join a session");
      return fail(ESTALE, "the session's time is over: ask for it again", Retry::kSession);
    }
    if (found == sessions_.end() || found->second->ends() || hello.generation < found->second->generation) {
      return fail(ESTALE, "there is no such session (any more): begin another", Retry::kSession);
    }
    Session& session = *found->second;
    // Where the kernel knows who comes, it has to be a process of the user whom the session is for.
    if (peer.pid != 0 && peer.uid != session.peer().uid && peer.uid != 0) {
      refuse(identity::Reason::kReplayed, session.who(), peer, "join another user's session");
      return fail(EACCES, "the session belongs to another user");
    }
    if (session.connections.size() >= wire::kConnectionsMax) {
      return fail(EUSERS, "the session has too many connections: work from fewer threads");
    }
    --greetings_;
    // The end of an agent's process is not the client's.
    if (peer.pid != 0 && !session.relayed) session.watch(ProcessWatch::of(peer.pid, peer.uid));
    return &session;
  }
  if (peer.pid == 0 || options_.upstream)
    return fail(EACCES, "a session is had from the control plane, over a network and from an agent");
  identity::Principal who;
  if (options_.tenants != nullptr) {
    ROSS_TRY(who, options_.tenants->of_user(peer.uid, {.peer = "a socket", .what = options_.export_name}));
  } else if (peer.uid != ::geteuid() && peer.uid != 0) {
    return fail(EACCES, "this process may not use the pool");
  }
  ROSS_TRY(Session * session, new_session(peer, {}, who));
  session->renew(who);
  --greetings_;
  return session;
}

Result<Session*> Server::new_session(const fabric::Peer& peer, const wire::ClientId& client,
                                     const identity::Principal& who) {
  if (stopping_) return fail(ESHUTDOWN, "the server is stopping");
  ROSS_OK(wide_->admit(peer.uid, peer.uid != 0 && peer.uid != ::geteuid()));
  wire::Token token{};
  options_.fill_random(token);
  auto& made = sessions_[token];
  made = std::make_unique<Session>(*this, token, peer, client, who);
  const std::lock_guard lock(mutex_);
  peers_.push_back(peer.pid);
  return made.get();
}

void Server::connection_ended(Connection& connection) {
  if (!connection.greeted()) --greetings_;
  connections_.erase(connection.id());
  stop_when_empty();
}

void Server::count(const Moved& moved) {
  moved_.here.fetch_add(moved.here, std::memory_order_relaxed);
  moved_.direct.fetch_add(moved.direct, std::memory_order_relaxed);
  moved_.past.fetch_add(moved.past, std::memory_order_relaxed);
}

void Server::session_ended(Session& session) {
  if (const Moved& moved = session.moved; options_.upstream && moved.here + moved.past > 0) {
    log().info("host pid {} uid {} has gone: {} bytes of its data went past this agent, {} were staged",
               session.peer().pid, session.peer().uid, moved.past, moved.here);
  }
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find(peers_.begin(), peers_.end(), session.peer().pid);
    if (found != peers_.end()) peers_.erase(found);
    changed_.notify_all();
  }
  usage_of_all_ += session.usage;
  if (session.who().bounded()) usage_[std::string(session.who().name())] += session.usage;
  wide_->has_left(session.peer().uid);
  sessions_.erase(session.token());
  stop_when_empty();
}

// Nobody is awaited here any more; with the last of the pool's servers locks are granted again.
void Server::grace_is_over() {
  if (!wide_->is_over()) return;
  at(loop_.clock().monotonic_ns() + lease_ns(), [this] { release_orphans(); });
}

// Who has its session again and takes longer than a lease to ask for what it had: the others' locks wait no longer.
void Server::end_reclaiming() {
  if (stopping_) return;
  std::vector<Session*> reclaiming;
  for (const auto& [token, session] : sessions_) {
    if (session->reclaiming && !session->leaving) reclaiming.push_back(session.get());
  }
  for (Session* const session : reclaiming) session->give_up();
  returning_.end_for_all();
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
