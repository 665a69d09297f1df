// How a session begins, and how one is had again, at the word of a control plane.
#include <algorithm>
#include <future>

#include "base/log.h"
#include "client/translate.h"
#include "server/server.h"

namespace ross::server {

// ---- any thread ----

Result<Begun> Server::begin_session(const Applicant& applicant) {
  struct Begin : runtime::Message {
    Server* server;
    const Applicant* applicant;
    std::promise<Result<Begun>> promise;
  } begin;
  begin.server = this;
  begin.applicant = &applicant;
  begin.run = [](runtime::Message& message) {
    auto& self = static_cast<Begin&>(message);
    runtime::spawn(self.server->begin(*self.applicant),
                   [&self](Result<Begun> begun) { self.promise.set_value(std::move(begun)); });
  };
  {
    // Not behind the last pass of a loop that has been stopped: nobody would answer.
    const std::lock_guard lock(mutex_);
    if (stop_granted_) return fail(ESHUTDOWN, "the server is stopping");
    loop_.post(begin);
  }
  return begin.promise.get_future().get();
}

// ---- on the server's thread ----

Session* Server::session_of(const wire::ClientId& client) const {
  const auto found = std::ranges::find_if(
      sessions_, [&client](const auto& named) { return named.second != nullptr && named.second->client() == client; });
  return found == sessions_.end() ? nullptr : found->second.get();
}

runtime::Task<Result<Begun>> Server::begin(const Applicant& applicant) {
  if (stopping_) co_return fail(ESHUTDOWN, "the server is stopping");
  ++beginning_;
  Result<Begun> begun = co_await find_or_make(applicant);
  --beginning_;
  stop_when_empty();
  co_return begun;
}

runtime::Task<Result<Begun>> Server::find_or_make(const Applicant& applicant) {
  const fabric::Peer& peer = applicant.peer;
  const bool outlives = applicant.client != wire::ClientId{};
  Session* session = outlives ? session_of(applicant.client) : nullptr;
  if (session != nullptr) {
    if (session->peer().uid != peer.uid) co_return fail(EACCES, "the session belongs to another user");
    if (session->ends()) co_return fail(EAGAIN, "the session is being ended");
  } else if (options_.upstream) {
    ROSS_CO_TRY(session, co_await begin_upstream(applicant));
  } else if (applicant.returning) {
    ROSS_CO_TRY(session, co_await begin_again(applicant));
  } else {
    if (outlives && clients_ != nullptr && !stopping_) {
      engine::Clients* const clients = clients_;
      const engine::ClientRecord record{
          .id = applicant.client, .uid = peer.uid, .gid = peer.gid, .groups = {peer.groups.begin(), peer.groups.end()}};
      const auto add = [clients, &record] { return clients->add(record); };
      ROSS_CO_OK(co_await worker_.run<Status>(add));
    }
    auto made = new_session(peer, applicant.client);
    if (!made.has_value()) {
      if (outlives) static_cast<void>(co_await forget(applicant.client));
      co_return fail(made.error());
    }
    session = *made;
  }
  session->relayed = applicant.relayed;
  if (outlives && applicant.same_machine) session->watch(ProcessWatch::of(peer.pid, peer.uid));
  // One that has been asked for again keeps its lease: that its client got through to us does not say that it can connect.
  const std::int64_t patience_ns = applicant.returning ? std::max(lease_ns(), kGreetingNs) : kGreetingNs;
  if (session->connections.empty()) session->wait_for_connection(patience_ns);
  co_return Begun{.token = session->token(),
                  .resumed = applicant.returning && !session->reclaiming,
                  .generation = session->generation};
}

// The session of a client that an earlier life of this server had, with what the store remembers of it.
runtime::Task<Result<Session*>> Server::begin_again(const Applicant& applicant) {
  const engine::ClientRecord* const record = returning_.record(applicant.client);
  if (record == nullptr) co_return fail(ESTALE, "the server has given this client up");
  if (record->uid != applicant.peer.uid) co_return fail(EACCES, "the session belongs to another user");
  engine::Clients* const clients = clients_;
  const wire::ClientId id = applicant.client;
  const auto recall = [clients, id] { return clients->remembered(id); };
  ROSS_CO_TRY(const auto changes, co_await worker_.run<Result<std::vector<engine::RememberedChange>>>(recall));
  if (!returning_.awaits(id)) co_return fail(ESTALE, "the server has given this client up");
  if (Session* const other = session_of(id)) co_return other;  // it asked twice
  ROSS_CO_TRY(Session* const session, new_session(applicant.peer, id));
  session->reclaiming = true;
  returning_.came(id);
  for (const engine::RememberedChange& change : changes) {
    Session::Slot& slot = session->slots[change.slot];
    slot.id = change.sequence;
    slot.state = Session::Slot::State::kDone;
    slot.from_store = true;
    slot.created = change.created;
    slot.value = change.value;
    slot.has_attr = change.attr.has_value();
    if (change.attr.has_value()) slot.attr = client::to_wire(*change.attr);
  }
  co_return session;
}

runtime::Task<Status> Server::forget(const wire::ClientId& client) {
  returning_.done(client);
  if (clients_ == nullptr) co_return Status();
  engine::Clients* const clients = clients_;
  const wire::ClientId id = client;
  const auto remove = [clients, id] { return clients->remove(id); };
  co_return co_await worker_.run<Status>(remove);
}

// Of files without a name those that nobody has open. Their clients are back, or given up.
void Server::release_orphans() {
  if (stopping_) return;
  ++beginning_;
  engine::Clients* const clients = clients_;
  const auto release = [clients] { return clients->release_orphans(); };
  const auto released = [](Worker& worker, auto work) -> runtime::Task<Status> {
    co_return co_await worker.run<Status>(work);
  };
  runtime::spawn(released(worker_, release), [this](const Status& status) {
    if (!status.ok()) log().error("releasing files without a name: {}", status.message());
    --beginning_;
    stop_when_empty();
  });
}

void Server::after(std::int64_t monotonic_ns, const Session& session, std::function<void(Session&)> call) {
  at(monotonic_ns, [this, token = session.token(), call = std::move(call)] {
    const auto found = sessions_.find(token);
    if (found != sessions_.end()) call(*found->second);
  });
}

}  // namespace ross::server
