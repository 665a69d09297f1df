#include "server/returning.h"

#include <utility>

#include "base/log.h"

namespace ross::server {

void Returning::load(std::vector<AwaitedClient> awaited) {
  for (AwaitedClient& client : awaited) {
    const wire::ClientId id = client.record.id;
    awaited_.emplace(id, Awaited{.client = std::move(client)});
  }
  over_ = awaited_.empty();
}

const engine::ClientRecord* Returning::record(const wire::ClientId& client) const {
  const auto found = awaited_.find(client);
  return found == awaited_.end() ? nullptr : &found->second.client.record;
}

void Returning::done(const wire::ClientId& client) {
  if (awaited_.erase(client) > 0 && awaited_.empty()) end();
}

void Returning::came(const wire::ClientId& client) {
  const auto found = awaited_.find(client);
  if (found != awaited_.end()) found->second.came = true;
}

void Returning::end() {
  if (over_ || std::exchange(giving_up_, true)) return;
  std::vector<wire::ClientId> missing;
  for (const auto& [id, awaited] : awaited_) {
    if (!awaited.came) missing.push_back(id);
  }
  for (const wire::ClientId& id : missing) awaited_.erase(id);
  if (!missing.empty()) log().info("{} clients of before have not come back: given up", missing.size());
  runtime::spawn(give_up(std::move(missing)), [this](const Status& status) {
    giving_up_ = false;
    if (!status.ok()) log().error("giving up clients of before: {}", status.message());
    look_whether_over();
    if (when_idle_) when_idle_();
  });
}

void Returning::look_whether_over() {
  if (over_ || !awaited_.empty()) return;
  over_ = true;
  if (when_over_) when_over_();
}

void Returning::end_for_all() {
  awaited_.clear();
  end();
}

runtime::Task<Status> Returning::give_up(std::vector<wire::ClientId> missing) {
  engine::Clients* const clients = clients_;
  const std::vector<wire::ClientId>* const ids = &missing;
  const auto work = [clients, ids] {
    for (const wire::ClientId& id : *ids) ROSS_STATUS(clients->remove(id));
    return Status();
  };
  co_return co_await worker_.run<Status>(work);
}

}  // namespace ross::server
