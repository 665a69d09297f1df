// What a ross-agent's server is told, with an engine's server in the same process instead of a control plane.
//
//   EnginePlace place;
//   place.set(engine_server);
//   auto agent = server::Server::start(pool, listeners, {.upstream = upstream_to(place, transport::make_domain)});
//
// Threading: any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "client/session.h"
#include "model_pool.h"
#include "server/server.h"

namespace ross::remote_test {

// Where an engine's server is found, while it is there.
class EnginePlace {
 public:
  // Null: it is away. Returns when nobody asks the last one any more.
  void set(server::Server* server) {
    const std::lock_guard lock(mutex_);
    server_ = server;
  }
  struct Found {
    server::Begun begun;
    std::string address;
  };
  Result<Found> ask(const server::Applicant& applicant) {
    const std::lock_guard lock(mutex_);
    if (server_ == nullptr) return fail(ECONNREFUSED, "nobody is there");
    ROSS_TRY(const server::Begun begun, server_->begin_session(applicant));
    return Found{begun, server_->addresses().at(0)};
  }

 private:
  std::mutex mutex_;
  server::Server* server_ = nullptr;  // guarded by mutex_
};

using MakeDomain = Result<std::unique_ptr<fabric::Domain>> (*)();

inline runtime::Task<Result<std::unique_ptr<client::Session>>> begin_upstream(EnginePlace& place, MakeDomain make,
                                                                              const server::Applicant& applicant,
                                                                              server::Worker& worker) {
  constexpr std::int64_t kPatienceNs = 20'000'000'000;
  server::Applicant relayed = applicant;
  relayed.relayed = true;
  relayed.same_machine = false;
  EnginePlace* const at = &place;
  const server::Applicant* const who = &relayed;
  const auto ask = [at, who] { return at->ask(*who); };
  Result<EnginePlace::Found> found = co_await worker.run<Result<EnginePlace::Found>>(ask);
  if (!found.has_value()) co_return fail(std::move(found).error());
  ROSS_CO_TRY(auto domain, make());
  const std::uint32_t generation = applicant.returning ? found->begun.generation + 1 : 0;
  ROSS_CO_TRY(auto session,
              co_await client::Session::connect_here(std::move(domain), found->address, found->begun.token,
                                                     system_clock().monotonic_ns() + kPatienceNs, generation));
  session->relay(applicant.returning);
  if (applicant.client == wire::ClientId{}) co_return std::move(session);
  relayed.returning = true;
  ROSS_CO_OK(session->outlive(
      [at, relayed](std::int64_t) -> runtime::Task<Result<client::Recovery::Found>> {
        ROSS_CO_TRY(const EnginePlace::Found again, at->ask(relayed));
        co_return client::Recovery::Found{again.address, again.begun.token, again.begun.resumed};
      },
      {.patience_ns = kPatienceNs}));
  co_return std::move(session);
}

// place outlives the server that is told this.
inline server::BeginUpstream upstream_to(EnginePlace& place, MakeDomain make) {
  return [&place, make](const server::Applicant& applicant, server::Worker& worker) {
    return begin_upstream(place, make, applicant, worker);
  };
}

}  // namespace ross::remote_test
