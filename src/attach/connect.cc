#include "attach/connect.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "attach/reaching.h"
#include "attach/remote_pool.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random_bytes.h"
#include "client/control.h"
#include "client/session.h"
#include "fabric/backends/backends.h"

namespace ross::attach {
namespace {

// The fabric a person asked for, or none.
Result<std::string> wanted_fabric(const Url& url) {
  std::string wanted = url.fabric;
  if (wanted.empty()) {
    const char* const variable = std::getenv("ROSS_FABRIC");
    if (variable != nullptr && std::string_view(variable) != "auto") wanted = variable;
  }
  if (!wanted.empty()) ROSS_OK(fabric::find_backend(wanted));
  return wanted;
}

// Seconds that calls wait for a server that is away.
std::int64_t patience_ns() {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  constexpr std::int64_t kSecondsMax = 86'400;
  constexpr std::int64_t kOutageNs = 60 * kSecondNs;
  const char* const variable = std::getenv("ROSS_OUTAGE_SECONDS");
  std::int64_t seconds = 0;
  if (variable == nullptr) return kOutageNs;
  const std::string_view digits(variable);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (error != std::errc() || end != digits.data() + digits.size() || seconds < 0 || seconds > kSecondsMax) {
    log().warn("ROSS_OUTAGE_SECONDS={} is no number of seconds up to {}: it is not heeded", digits, kSecondsMax);
    return kOutageNs;
  }
  return seconds * kSecondNs;
}

Result<std::unique_ptr<client::Session>> connect_by(const Way& way, const client::Grant& grant,
                                                    std::int64_t deadline_ns) {
  ROSS_TRY(std::unique_ptr<fabric::Domain> domain, fabric::make_domain(way.fabric, {}));
  return client::Session::connect(std::move(domain), way.address, grant.token, deadline_ns);
}

}  // namespace

client::Recovery::Ask asking_again(const Url& url, std::string fabric, client::Client self, client::ClientTls tls) {
  self.returning = true;
  return [server = url.server, pool = url.pool, fabric = std::move(fabric), self = std::move(self),
          tls = std::move(tls)](std::int64_t deadline_ns) -> runtime::Task<Result<client::Recovery::Found>> {
    ROSS_CO_TRY(const client::Grant grant, client::begin_session(server, pool, tls, self, deadline_ns));
    for (const client::FabricAddress& offer : grant.fabrics) {
      if (offer.backend != fabric) continue;
      co_return client::Recovery::Found{.address = offer.address, .token = grant.token, .resumed = grant.resumed};
    }
    co_return fail(ENOTSUP, fmt::format("{} does not offer {} any more", server, fabric));
  };
}

Status unreachable(const Url& url, const std::vector<std::string>& reasons) {
  return Status(ECONNREFUSED,
                fmt::format("{} cannot be reached by any fabric: {}", url.server, fmt::join(reasons, "; ")));
}

Result<Offer> ask(const Url& url, const client::Client& self, const client::ClientTls& tls, std::int64_t deadline_ns) {
  Offer found;
  ROSS_TRY(const std::string wanted, wanted_fabric(url));
  ROSS_TRY(found.grant, client::begin_session(url.server, url.pool, tls, self, deadline_ns));
  for (const fabric::Backend& backend : fabric::backends()) {
    if (wanted.empty() ? !backend.automatic : backend.name != wanted) continue;
    for (const client::FabricAddress& offer : found.grant.fabrics) {
      if (offer.backend != backend.name) continue;
      if (const Status why = usable(backend.name, offer.address, found.grant.same_machine); why.ok()) {
        found.ways.push_back({.fabric = offer.backend, .address = offer.address});
      } else {
        found.reasons.push_back(fmt::format("{}: {}", offer.backend, why.message()));
      }
    }
  }
  if (!found.ways.empty()) return found;
  if (!found.reasons.empty()) return fail(unreachable(url, found.reasons));
  std::vector<std::string_view> offered;
  for (const client::FabricAddress& offer : found.grant.fabrics) offered.push_back(offer.backend);
  return fail(ENOTSUP,
              fmt::format("{} does not offer {}: it has {}", url.server,
                          wanted.empty() ? std::string_view("a fabric of this build") : std::string_view(wanted),
                          fmt::join(offered, ", ")));
}

Result<Connected> connect_session(const Url& url, const ConnectOptions& options) {
  const std::int64_t deadline_ns = system_clock().monotonic_ns() + kConnectNs;
  client::Client self;
  if (options.outlives) fill_random(self.id);
  ROSS_TRY(Offer offer, ask(url, self, options.tls, deadline_ns));
  for (const Way& way : offer.ways) {
    auto session = connect_by(way, offer.grant, deadline_ns);
    if (session.has_value()) {
      log().info("{}: pool {} by {} at {}", url.server, url.pool, way.fabric, way.address);
      ROSS_TRY(std::string wanted, wanted_fabric(url));
      (*session)->reach(reaching(std::move(wanted)));
      if (options.outlives) {
        ROSS_OK((*session)->outlive(asking_again(url, way.fabric, self, options.tls), {.patience_ns = patience_ns()}));
      }
      return Connected{.session = *std::move(session), .way = way, .server = offer.grant.server};
    }
    offer.reasons.push_back(fmt::format("{}: {}", way.fabric, session.error().message()));
  }
  return fail(unreachable(url, offer.reasons));
}

Result<std::unique_ptr<engine::Pool>> connect(const Url& url, const ConnectOptions& options) {
  ROSS_TRY(Connected connected, connect_session(url, options));
  return make_remote_pool(std::move(connected.session));
}

}  // namespace ross::attach
