#include "apps/ross-agent/upstream.h"

#include <fmt/format.h>

#include <memory>

#include "attach/connect.h"
#include "base/clock.h"
#include "base/log.h"
#include "fabric/backends/backends.h"

namespace ross::agent_daemon {
namespace {

// The host asks again after a while, so this is shorter than its patience.
constexpr std::int64_t kBeginNs = 8'000'000'000;

using Begun = Result<std::unique_ptr<client::Session>>;

// By the ways of an offer, the first that works.
runtime::Task<Begun> connect(const UpstreamOptions& options, const client::Client& self, attach::Offer offer,
                             std::int64_t deadline_ns) {
  const std::uint32_t generation = self.returning ? offer.grant.generation + 1 : 0;
  for (const attach::Way& way : offer.ways) {
    auto domain = fabric::make_domain(way.fabric, {});
    Begun session = fail(ENOTSUP);
    if (domain.has_value()) {
      session = co_await client::Session::connect_here(*std::move(domain), way.address, offer.grant.token, deadline_ns,
                                                       generation);
    } else {
      session = fail(domain.error());
    }
    if (session.has_value()) {
      log().debug("upstream session at {} by {} for uid {}", options.url.server, way.fabric, self.relayed->uid);
      (*session)->relay(self.returning);
      if (self.id == wire::ClientId{}) co_return std::move(session);
      Status outlives = (*session)->outlive(attach::asking_again(options.url, way.fabric, self, options.tls),
                                            {.patience_ns = options.patience_ns});
      if (outlives.ok()) co_return std::move(session);
      static_cast<void>(co_await (*session)->leave(!self.returning));
      co_return fail(std::move(outlives));
    }
    offer.reasons.push_back(fmt::format("{}: {}", way.fabric, session.error().message()));
  }
  co_return fail(attach::unreachable(options.url, offer.reasons));
}

runtime::Task<Begun> begin(std::shared_ptr<const UpstreamOptions> options, const server::Applicant& applicant,
                           server::Worker& worker) {
  const std::int64_t deadline_ns = system_clock().monotonic_ns() + kBeginNs;
  const fabric::Peer& peer = applicant.peer;
  const client::Client self{
      .id = applicant.client,
      .returning = applicant.returning,
      .relayed = client::Client::User{.pid = peer.pid, .uid = peer.uid, .gid = peer.gid, .groups = peer.groups},
      .on_behalf_of = std::string(applicant.who.name()),
      .access = applicant.who.bounded() ? std::string(identity::to_word(applicant.who.most)) : std::string()};
  const UpstreamOptions* const told = options.get();
  const client::Client* const who = &self;
  const auto ask = [told, who, deadline_ns] { return attach::ask(told->url, *who, told->tls, deadline_ns); };
  Result<attach::Offer> offer = co_await worker.run<Result<attach::Offer>>(ask);
  if (!offer.has_value()) co_return fail(std::move(offer).error());
  co_return co_await connect(*options, self, *std::move(offer), deadline_ns);
}

}  // namespace

server::BeginUpstream upstream_at(UpstreamOptions options) {
  return [shared = std::make_shared<const UpstreamOptions>(std::move(options))](
             const server::Applicant& applicant, server::Worker& worker) { return begin(shared, applicant, worker); };
}

}  // namespace ross::agent_daemon
