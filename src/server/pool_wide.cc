#include "server/pool_wide.h"

#include <utility>

#include "server/server.h"

namespace ross::server {

// ---- grace ----

Status PoolWide::load(engine::Clients* clients) {
  if (clients == nullptr) return {};
  auto known = clients->list();
  if (!known.has_value()) return std::move(known).error();
  const std::lock_guard lock(mutex_);
  for (engine::ClientRecord& record : *known) {
    auto binding = affinity.bind(record.id);
    awaited_[binding->server].push_back({.record = std::move(record), .binding = binding});
  }
  for (const auto& of_server : awaited_) awaiting_ += of_server.empty() ? 0 : 1;
  grace_.store(awaiting_ > 0, std::memory_order_release);
  return {};
}

std::vector<AwaitedClient> PoolWide::take_awaited(std::size_t server) {
  const std::lock_guard lock(mutex_);
  return std::exchange(awaited_[server], {});
}

bool PoolWide::is_over() {
  const std::lock_guard lock(mutex_);
  if (--awaiting_ > 0) return false;
  grace_.store(false, std::memory_order_release);
  grace_over_.notify_all();
  return true;
}

runtime::Task<Status> PoolWide::grace_ends(const bool& stopping) {
  std::unique_lock lock(mutex_);
  while (awaiting_ > 0 && !stopping) co_await grace_over_.wait(lock);
  co_return stopping ? Status(EINTR, "the server is stopping") : Status();
}

void PoolWide::wake() {
  const std::lock_guard lock(mutex_);
  grace_over_.notify_all();
}

// ---- sessions ----

Status PoolWide::admit(uid_t uid, bool bounded) {
  const std::lock_guard lock(mutex_);
  if (sessions_ >= Server::kSessionsMax) return Status(EUSERS, "too many processes use the pool");
  if (bounded) {
    const auto found = sessions_of_.find(uid);
    if (found != sessions_of_.end() && found->second >= Server::kSessionsOfAUserMax) {
      return Status(EUSERS, "this user has too many processes on the pool");
    }
  }
  ++sessions_;
  ++sessions_of_[uid];
  return {};
}

void PoolWide::has_left(uid_t uid) {
  const std::lock_guard lock(mutex_);
  --sessions_;
  const auto found = sessions_of_.find(uid);
  if (--found->second == 0) sessions_of_.erase(found);
}

}  // namespace ross::server
