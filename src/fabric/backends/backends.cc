#include "fabric/backends/backends.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "fabric/shm/domain.h"
#include "fabric/tcp/tcp.h"
#ifdef ROSS_WITH_OFI
#include "fabric/ofi/ofi.h"
#endif
#ifdef ROSS_WITH_UCX
#include "fabric/ucx/domain.h"
#endif

namespace ross::fabric {
namespace {

#ifdef ROSS_WITH_OFI
constexpr std::string_view kOfiMissing;
#else
constexpr std::string_view kOfiMissing = "ROSS was built without libfabric: install libfabric-dev and build again";
#endif
#ifdef ROSS_WITH_UCX
constexpr std::string_view kUcxMissing;
#else
constexpr std::string_view kUcxMissing = "ROSS was built without UCX: install libucx-dev and build again";
#endif

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all = {
      {.name = "ofi+verbs", .missing = std::string(kOfiMissing)},
      {.name = "shm", .same_machine_only = true, .by_path = true},
      {.name = "tcp"},
      {.name = "ofi+tcp", .automatic = false, .missing = std::string(kOfiMissing)},
      {.name = "ofi+shm",
       .same_machine_only = true,
       .by_path = true,
       .automatic = false,
       .missing = std::string(kOfiMissing)},
      {.name = "ucx+rc", .automatic = false, .missing = std::string(kUcxMissing)},
      {.name = "ucx+tcp", .automatic = false, .missing = std::string(kUcxMissing)},
      {.name = "ucx+shm",
       .same_machine_only = true,
       .by_path = true,
       .automatic = false,
       .missing = std::string(kUcxMissing)},
  };
  return all;
}

Result<const Backend*> find_backend(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Backend& backend : backends()) {
    if (backend.name == name) return &backend;
    names.emplace_back(backend.name);
  }
  return fail(EINVAL, fmt::format("no fabric is called '{}': take one of {}", name, fmt::join(names, ", ")));
}

Result<std::unique_ptr<Domain>> make_domain(std::string_view name, [[maybe_unused]] std::string_view host) {
  ROSS_TRY(const Backend* const backend, find_backend(name));
  if (!backend->missing.empty()) return fail(ENOTSUP, fmt::format("{}: {}", name, backend->missing));
  if (name == "tcp") return tcp::make_domain({});
  if (name == "shm") return shm::make_domain({});
#ifdef ROSS_WITH_OFI
  if (name.starts_with("ofi+")) {
    return ofi::make_domain({.provider = std::string(name), .node = std::string(backend->by_path ? "" : host)});
  }
#endif
#ifdef ROSS_WITH_UCX
  if (name.starts_with("ucx+")) return ucx::make_domain({.transport = std::string(name)});
#endif
  return fail(EINVAL, fmt::format("the fabric {} has no maker", name));
}

}  // namespace ross::fabric
