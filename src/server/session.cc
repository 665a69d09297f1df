#include "server/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/connection.h"
#include "server/server.h"

namespace ross::server {
namespace {

// A user without a tenant is a principal, too; no tenant's name has a colon.
std::string principal_of(const identity::Principal& who, const fabric::Peer& peer) {
  return who.bounded() ? std::string(who.name()) : fmt::format("uid:{}", peer.uid);
}

}  // namespace

Usage& Usage::operator+=(const Usage& other) {
  operations += other.operations;
  bytes_read += other.bytes_read;
  bytes_written += other.bytes_written;
  waited_for_limit += other.waited_for_limit;
  waited_for_turn += other.waited_for_turn;
  return *this;
}

Activity& Activity::operator+=(const Activity& other) {
  sessions += other.sessions;
  connections += other.connections;
  waiting += other.waiting;
  usage += other.usage;
  moved.here += other.moved.here;
  moved.direct += other.moved.direct;
  moved.past += other.moved.past;
  asked_again += other.asked_again;
  return *this;
}

Session::Session(Server& server, const wire::Token& token, fabric::Peer peer, const wire::ClientId& client,
                 identity::Principal who)
    : server_(server),
      token_(token),
      peer_(std::move(peer)),
      client_(client),
      who_(std::move(who)),
      share_(server.fair_queue().join(principal_of(who_, peer_),
                                      who_.bounded() ? who_.tenant->weight : identity::Tenant::kWeightDefault)) {}

Session::~Session() {
  ROSS_CHECK(jobs == 0 && files.empty() && connections.empty(), "a session was destroyed with something still held");
  server_.fair_queue().leave(share_);
}

void Session::renew(const identity::Principal& who) {
  who_ = who;
  expired_ = false;
  for (auto& [number, place] : places) place.access = who_.access(server_.export_name(), place.name);
  if (!who_.bounded()) return;
  throttle_ = server_.throttle_of(who_);
  const Clock& clock = server_.loop().clock();
  std::int64_t left_ns = server_.session_lifetime_ns();
  if (who_.credential.expires_s != 0) {
    constexpr std::int64_t kSecondNs = 1'000'000'000;
    const std::int64_t credential_ns =
        std::max<std::int64_t>(who_.credential.expires_s - clock.realtime_ns() / kSecondNs, 0) * kSecondNs;
    left_ns = left_ns == 0 ? credential_ns : std::min(left_ns, credential_ns);
  } else if (left_ns == 0) {
    ends_ns_ = 0;
    return;
  }
  ends_ns_ = clock.monotonic_ns() + left_ns;
  if (!std::exchange(has_end_timer_, true)) look_at_lifetime();
}

void Session::has_place(std::uint32_t number, const std::string& name) {
  if (who_.bounded()) places[number] = {.name = name, .access = who_.access(server_.export_name(), name)};
}

void Session::look_at_lifetime() {
  if (ends_ns_ != 0 && server_.loop().clock().monotonic_ns() < ends_ns_) {
    return server_.after(ends_ns_, *this, [](Session& session) { session.look_at_lifetime(); });
  }
  has_end_timer_ = false;
  if (ends_ns_ == 0 || leaving) return;
  expired_ = true;
  cut_off_all_but(nullptr);
}

void Session::join(Connection& connection) {
  if (connection.generation() > generation) {
    generation = connection.generation();
    cut_off_all_but(&connection);
  }
  ++absences_;
  connections.insert(&connection);
}

void Session::leave(Connection& connection) {
  connections.erase(&connection);
  if (!connections.empty()) return;
  if (!outlives_connections() || ended_ || server_.stopping()) return end_now();
  wait_for_connection(server_.lease_ns());
}

void Session::end(const Connection& last) {
  ended_ = true;
  end_transfers();
  cut_off_all_but(&last);
}

void Session::give_up() {
  ended_ = true;
  if (connections.empty()) return end_now();
  cut_off_all_but(nullptr);
}

// In their order, which a simulation can replay.
void Session::cut_off_all_but(const Connection* one) {
  std::vector<Connection*> others(connections.begin(), connections.end());
  std::erase(others, one);
  std::ranges::sort(others, {}, &Connection::id);
  for (Connection* const connection : others) connection->cut_off();
}

void Session::wait_for_connection(std::int64_t patience_ns) {
  ++absences_;
  look_for_connection(absences_, server_.loop().clock().monotonic_ns() + patience_ns);
}

void Session::look_for_connection(std::uint64_t absence, std::int64_t until_ns) {
  constexpr std::int64_t kLookNs = 20'000'000;
  const std::int64_t now_ns = server_.loop().clock().monotonic_ns();
  if (now_ns >= until_ns || (process_ != nullptr && process_->ended())) return end_now();
  const std::int64_t next_ns = process_ == nullptr ? until_ns : std::min(until_ns, now_ns + kLookNs);
  server_.after(next_ns, *this, [absence, until_ns](Session& session) {
    if (session.absences_ == absence && !session.leaving) session.look_for_connection(absence, until_ns);
  });
}

void Session::end_now() {
  leaving = true;
  end_transfers();
  runtime::spawn(clean_up(), [this](Status) { server_.session_ended(*this); });
}

// Gives back everything the peer held. What is still at work may be a write under one of its locks: whoever gets that lock next must
// find it done. Waits for locks end with EINTR when their owner goes; because a request may just be on its way into such a wait,
// the owners are dropped until no request is at work any more.
runtime::Task<Status> Session::clean_up() {
  constexpr std::int64_t kAgainNs = 5'000'000;
  constexpr std::int64_t kTogetherNs = 1'000'000;
  if (upstream_ != nullptr) co_return co_await leave_upstream();
  runtime::Loop& loop = server_.loop();
  // Nobody is told of a lock that is free only because its holder has been cut off here already.
  while (server_.stopping() && !server_.all_stop())
    co_await loop.sleep_until(loop.clock().monotonic_ns() + kTogetherNs);
  while (jobs > lock_waits) co_await loop.sleep_until(loop.clock().monotonic_ns() + kAgainNs);
  for (;;) {
    // A copy: opens that end meanwhile still add files.
    struct Held {
      fs::FileSystem* fs;
      fs::FileId file;
      std::uint64_t number;
      std::uint64_t owner;
    };
    std::vector<Held> locks;
    for (const auto& [id, file] : files) {
      for (const std::uint64_t owner : file->owners) locks.push_back({file->fs.get(), file->id, id, owner});
    }
    std::ranges::sort(locks, {}, [](const Held& held) { return std::pair(held.owner, held.number); });
    for (const Held& held : locks) static_cast<void>(co_await held.fs->unlock_owner(held.file, held.owner));
    if (jobs == 0) break;
    co_await loop.sleep_until(loop.clock().monotonic_ns() + kAgainNs);
  }
  // What a client has that will come back to the server's next life stays open in the store's eyes.
  const bool returns = outlives_connections() && !ended_ && server_.stopping() && server_.clients() != nullptr;
  std::vector<std::uint64_t> open;
  for (const auto& [id, file] : files) open.push_back(id);
  std::ranges::sort(open);
  for (const std::uint64_t id : open) {
    const File& file = *files.at(id);
    if (!returns) static_cast<void>(co_await file.fs->close(file.id));
  }
  files.clear();
  // Closing a container may block.
  auto* const held = &containers;
  const auto drop = [held] { return held->clear(), true; };
  static_cast<void>(co_await server_.worker().run<bool>(drop));
  if (outlives_connections() && !returns) static_cast<void>(co_await server_.forget(client_));
  co_return Status();
}

Result<std::uint64_t> Session::owner_for(std::uint64_t peers_owner) {
  if (upstream_ != nullptr) return peers_owner;  // ours are upstream
  constexpr std::size_t kOwnersMax = 65536;
  if (const auto found = owners.find(peers_owner); found != owners.end()) return found->second;
  if (owners.size() >= kOwnersMax) return fail(ENOLCK, "this process has too many owners of locks");
  const std::uint64_t owner = server_.new_owner();
  owners.emplace(peers_owner, owner);
  peers_owners.emplace(owner, peers_owner);
  return owner;
}

}  // namespace ross::server
