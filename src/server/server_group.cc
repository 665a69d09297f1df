#include "server/server_group.h"

#include <algorithm>

#include "base/machine.h"

namespace ross::server {

std::size_t ServerGroup::servers_for_this_machine() {
  return std::clamp<std::size_t>(usable_cores().size(), 1, kServersMax);
}

Result<std::unique_ptr<ServerGroup>> ServerGroup::start(engine::Pool& pool, std::size_t servers, const Listen& listen,
                                                        const ServerOptions& options, bool pin) {
  ROSS_CHECK(servers > 0 && servers <= kServersMax, "a group of no servers, or of too many");
  std::unique_ptr<ServerGroup> group(new ServerGroup(servers));
  ROSS_OK(group->wide_->load(options.remembers ? pool.clients() : nullptr));
  const std::vector<int> cores = usable_cores();
  for (std::size_t place = 0; place < servers; ++place) {
    ROSS_TRY(std::vector<Listener> listeners, listen(place));
    ServerOptions own = options;
    own.pool_wide = group->wide_;
    own.place = place;
    if (pin && servers <= cores.size()) own.core = cores[place];
    ROSS_TRY(auto server, Server::start(pool, std::move(listeners), std::move(own)));
    group->servers_.push_back(std::move(server));
  }
  return group;
}

// All of them stop before one is waited for (pool_wide.h).
ServerGroup::~ServerGroup() {
  for (const auto& server : servers_) server->begin_stop();
}

Result<Begun> ServerGroup::begin_session(Applicant applicant) {
  applicant.binding = wide_->affinity.bind(applicant.client);
  return servers_[applicant.binding->server]->begin_session(applicant);
}

std::size_t ServerGroup::end_sessions(const std::function<bool(const identity::Principal& who)>& of) {
  std::size_t ended = 0;
  for (const auto& server : servers_) ended += server->end_sessions(of);
  return ended;
}

std::size_t ServerGroup::sessions_of(std::string_view tenant) {
  std::size_t count = 0;
  for (const auto& server : servers_) count += server->sessions_of(tenant);
  return count;
}

Usage ServerGroup::usage_of(std::string_view tenant) {
  Usage usage;
  for (const auto& server : servers_) usage += server->usage_of(tenant);
  return usage;
}

Activity ServerGroup::activity() {
  Activity activity;
  for (const auto& server : servers_) activity += server->activity();
  return activity;
}

// The first one refuses what none has.
Server& ServerGroup::that_has(const wire::Token& token) {
  if (servers_.size() == 1) return *servers_.front();
  const auto found =
      std::ranges::find_if(servers_, [&token](const auto& server) { return server->has_session(token); });
  return found == servers_.end() ? *servers_.front() : **found;
}

Status ServerGroup::renew_session(const wire::Token& token, const Applicant& applicant) {
  return that_has(token).renew_session(token, applicant);
}

Status ServerGroup::close_session(const wire::Token& token, const Applicant& applicant) {
  return that_has(token).close_session(token, applicant);
}

}  // namespace ross::server
