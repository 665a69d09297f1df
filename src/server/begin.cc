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

template <class T>
T Server::on_loop(std::function<T()> work, T stopped) {
  struct Asked : runtime::Message {
    std::function<T()> work;
    std::promise<T> promise;
  } asked;
  asked.work = std::move(work);
  asked.run = [](runtime::Message& message) {
    auto& self = static_cast<Asked&>(message);
    self.promise.set_value(self.work());
  };
  {
    const std::lock_guard lock(mutex_);
    if (stop_granted_) return stopped;
    loop_.post(asked);
  }
  return asked.promise.get_future().get();
}

std::size_t Server::end_sessions(const std::function<bool(const identity::Principal& who)>& of) {
  return on_loop<std::size_t>([this, &of] { return end_these(of); }, 0);
}

std::size_t Server::sessions_of(std::string_view tenant) {
  const auto count = [this, tenant] {
    return static_cast<std::size_t>(std::ranges::count_if(sessions_, [tenant](const auto& named) {
      return named.second != nullptr && !named.second->ends() && named.second->who().bounded() &&
             named.second->who().name() == tenant;
    }));
  };
  return on_loop<std::size_t>(count, 0);
}

Usage Server::usage_of(std::string_view tenant) {
  const auto sum = [this, tenant] {
    const auto ended = usage_.find(tenant);
    Usage usage = ended == usage_.end() ? Usage{} : ended->second;
    for (const auto& [token, session] : sessions_) {
      if (session != nullptr && session->who().bounded() && session->who().name() == tenant) usage += session->usage;
    }
    return usage;
  };
  return on_loop<Usage>(sum, {});
}

Activity Server::activity() {
  const auto look = [this] {
    Activity activity{.connections = connections_.size(),
                      .waiting = fair_queue_.waiting(),
                      .usage = usage_of_all_,
                      .moved = {.here = moved_.here, .direct = moved_.direct, .past = moved_.past},
                      .asked_again = asked_again_.here + asked_again_.earlier};
    for (const auto& [token, session] : sessions_) {
      if (session == nullptr) continue;
      ++activity.sessions;
      activity.usage += session->usage;
    }
    return activity;
  };
  return on_loop<Activity>(look, {});
}

Status Server::renew_session(const wire::Token& token, const Applicant& applicant) {
  return with_session(token, applicant, [&applicant](Session& session) { session.renew(applicant.who); });
}

Status Server::close_session(const wire::Token& token, const Applicant& applicant) {
  return with_session(token, applicant, [](Session& session) { session.give_up(); });
}

bool Server::has_session(const wire::Token& token) {
  return on_loop<bool>([this, &token] { return sessions_.contains(token); }, false);
}

Status Server::with_session(const wire::Token& token, const Applicant& applicant,
                            const std::function<void(Session&)>& work) {
  const auto find = [this, &token, &applicant, &work] {
    const auto found = sessions_.find(token);
    if (found == sessions_.end() || found->second == nullptr || found->second->ends()) {
      refuse(identity::Reason::kSession, applicant.who, applicant.peer, "a session by its token");
      return Status(ESTALE, "there is no such session (any more)");
    }
    const uid_t uid = applicant.peer.uid;
    if (uid != 0 && uid != found->second->peer().uid) {
      refuse(identity::Reason::kReplayed, applicant.who, applicant.peer, "another user's session");
      return Status(EACCES, "the session belongs to another user");
    }
    ROSS_STATUS(may_have(*found->second, applicant));
    work(*found->second);
    return Status();
  };
  return on_loop<Status>(find, Status(ESHUTDOWN, "the server is stopping"));
}

// ---- on the server's thread ----

Session* Server::session_of(const wire::ClientId& client) const {
  const auto found = std::ranges::find_if(
      sessions_, [&client](const auto& named) { return named.second != nullptr && named.second->client() == client; });
  return found == sessions_.end() ? nullptr : found->second.get();
}

// Whether it is of the applicant's tenant.
Status Server::may_have(const Session& session, const Applicant& applicant) const {
  if (session.who().name() == applicant.who.name()) return {};
  refuse(identity::Reason::kReplayed, applicant.who, applicant.peer, "a client of another tenant");
  return Status(EACCES, "the session belongs to another tenant");
}

std::size_t Server::end_these(const std::function<bool(const identity::Principal& who)>& of) {
  std::vector<Session*> ending;
  for (const auto& [token, session] : sessions_) {
    if (session != nullptr && !session->leaving && of(session->who())) ending.push_back(session.get());
  }
  for (Session* const session : ending) session->give_up();
  return ending.size();
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
    if (session->peer().uid != peer.uid) {
      refuse(identity::Reason::kReplayed, applicant.who, peer, "another user's client");
      co_return fail(EACCES, "the session belongs to another user");
    }
    if (Status may = may_have(*session, applicant); !may.ok()) co_return fail(std::move(may));
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
    auto made = new_session(peer, applicant.client, applicant.who);
    if (!made.has_value()) {
      if (outlives) static_cast<void>(co_await forget(applicant.client));
      co_return fail(made.error());
    }
    session = *made;
  }
  // It was revoked while it began.
  if (options_.tenants != nullptr && options_.tenants->revoked(applicant.who)) {
    session->give_up();
    co_return fail(EACCES, "the tenant is revoked");
  }
  session->renew(applicant.who);
  session->relayed = applicant.relayed;
  session->binding = applicant.binding;
  if (outlives && applicant.same_machine) session->watch(ProcessWatch::of(peer.pid, peer.uid));
  // One that has been asked for again keeps its lease: that its client got through to us does not say that it can connect.
  const std::int64_t patience_ns = applicant.returning ? std::max(lease_ns(), kGreetingNs) : kGreetingNs;
  if (session->connections.empty()) session->wait_for_connection(patience_ns);
  co_return Begun{.token = session->token(),
                  .resumed = applicant.returning && !session->reclaiming,
                  .generation = session->generation,
                  .addresses = addresses_};
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
  ROSS_CO_TRY(Session* const session, new_session(applicant.peer, id, applicant.who));
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
