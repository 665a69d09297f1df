#include "attach/reaching.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <mutex>

#include "base/machine.h"
#include "fabric/backends/backends.h"

namespace ross::attach {
namespace {

// One of each fabric that was tried, for all lanes of a session.
class Domains {
 public:
  Result<fabric::Domain*> of(const std::string& backend) {
    const std::lock_guard lock(mutex_);
    auto& domain = domains_[backend];
    if (domain == nullptr) {
      ROSS_TRY(domain, fabric::make_domain(backend, {}));
    }
    return domain.get();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<fabric::Domain>> domains_;  // guarded by mutex_
};

Result<std::vector<client::ReachableBy>> choose(Domains& domains, const std::string& preferred,
                                                const wire::Reach& reach) {
  const std::string machine = machine_id();
  const bool same_machine = !machine.empty() && machine == reach.machine;
  std::vector<client::ReachableBy> ways;
  std::vector<std::string> reasons;
  const auto look_at = [&](const fabric::Backend& backend) {
    for (const wire::Reach::Way& way : reach.ways) {
      if (way.backend != backend.name) continue;
      const std::string address(way.address);
      Status status = usable(backend.name, address, same_machine);
      if (status.ok()) {
        const auto domain = domains.of(backend.name);
        if (domain.has_value()) {
          ways.push_back({.fabric = backend.name, .address = address, .domain = *domain});
        } else {
          status = domain.error();
        }
      }
      if (!status.ok()) reasons.push_back(fmt::format("{}: {}", backend.name, status.message()));
    }
  };
  for (const fabric::Backend& backend : fabric::backends()) {
    if (backend.name == preferred) look_at(backend);
  }
  for (const fabric::Backend& backend : fabric::backends()) {
    if (backend.automatic && backend.name != preferred) look_at(backend);
  }
  if (!ways.empty()) return ways;
  if (!reasons.empty())
    return fail(EHOSTUNREACH, fmt::format("the engine cannot be reached: {}", fmt::join(reasons, "; ")));
  return fail(ENOTSUP, "the engine offers no fabric that this process takes by itself");
}

}  // namespace

Status usable(std::string_view name, const std::string& address, bool same_machine) {
  const auto found = fabric::find_backend(name);
  if (!found.has_value()) return found.error();
  const fabric::Backend& backend = **found;
  if (!backend.missing.empty()) return Status(ENOTSUP, backend.missing);
  if (backend.same_machine_only && !same_machine) return Status(ENOTSUP, "the server is on another machine");
  if (backend.by_path && ::access(address.c_str(), R_OK | W_OK) != 0) {
    return Status(errno, fmt::format("{}: {}", address, Status(errno).message()));
  }
  return {};
}

client::Reaching reaching(std::string preferred) {
  return {.choose = [domains = std::make_shared<Domains>(), preferred = std::move(preferred)](
                        const wire::Reach& reach) { return choose(*domains, preferred, reach); }};
}

}  // namespace ross::attach
