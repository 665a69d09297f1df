#include "fabric/ofi/domain.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/random.h"
#include "base/units.h"
#include "fabric/ofi/endpoint.h"
#include "fabric/ofi/leftovers.h"
#include "fabric/ofi/local_endpoint.h"

namespace ross::fabric::ofi {
namespace {

constexpr int kKeyTriesMax = 16;  // random keys that happen to be taken

// What an endpoint takes before it has a channel: libfabric's queue of 16 MiB and buffers of ours.
constexpr std::size_t kLockedBytesMin = 24 * kMiB;

std::string locking_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return "unlimited";
  return fmt::format("{} KiB", limit.rlim_cur / kKiB);
}

std::uint64_t access_of(Use use) {
  switch (use) {
    case Use::kPeersGet:
      return FI_REMOTE_READ;
    case Use::kPeersPut:
      return FI_REMOTE_WRITE;
    case Use::kLocal:
      break;
  }
  return FI_SEND | FI_RECV | FI_READ | FI_WRITE;
}

}  // namespace

Result<std::unique_ptr<Domain>> make_domain(const Options& options) { return OfiDomain::create(options); }

Result<std::unique_ptr<Domain>> OfiDomain::create(const Options& options) {
  ROSS_TRY(Provider provider, Provider::find(options));
  std::unique_ptr<OfiDomain> domain(new OfiDomain(std::move(provider)));
  fi_info* const info = domain->provider_.info.get();
  fid_fabric* fabric = nullptr;
  if (const int result = library().fabric(info->fabric_attr, &fabric, nullptr); result != 0)
    return failed("fi_fabric", result);
  domain->fabric_.reset(fabric);
  fid_domain* opened = nullptr;
  if (const int result = fi_domain(fabric, info, &opened, nullptr); result != 0) return failed("fi_domain", result);
  domain->domain_.reset(opened);

  const Provider& chosen = domain->provider_;
  if (chosen.local_only) {
    if (const std::size_t removed = remove_leftovers(); removed > 0) {
      log().info("removed {} files in /dev/shm of processes that have ended", removed);
    }
  }
  bool sleeps = chosen.local_only;  // a pair has a socket that wakes
  if (!sleeps) {
    fi_cq_attr waiting{};
    waiting.wait_obj = FI_WAIT_FD;
    fid_cq* probe = nullptr;
    sleeps = fi_cq_open(opened, &waiting, &probe, nullptr) == 0;
    if (sleeps) fi_close(&probe->fid);
  }

  if (!chosen.endpoint_bound) ROSS_OK(domain->try_locking());

  Traits& traits = domain->traits_;
  traits.name = chosen.name;
  traits.same_machine_only = chosen.local_only;
  traits.sleeps = sleeps;
  // rxm keeps a lost connection to itself until something is sent.
  traits.notices_death = chosen.local_only;
  traits.keys_are_secret = !chosen.provider_keys && chosen.key_bits >= 64;
  traits.wants_regions = chosen.local_registration;
  traits.inline_bytes_max = chosen.local_only ? 2 * kKiB : 32 * kKiB;  // measured for tcp: docs/performance.md
  return domain;
}

OfiDomain::~OfiDomain() { ROSS_CHECK(regions_.empty(), "a domain was destroyed before its regions"); }

Result<std::unique_ptr<Endpoint>> OfiDomain::open(runtime::Loop& loop, const EndpointOptions& options) {
  if (provider_.local_only) return LocalEndpoint::create(*this, loop, options);
  return OfiEndpoint::create(*this, loop, options);
}

Result<std::unique_ptr<Region>> OfiDomain::add_region(std::span<std::byte> memory) {
  auto region = std::make_unique<OfiRegion>(*this, memory);
  {
    const std::scoped_lock lock(mutex_);
    regions_.insert(region.get());
  }
  // Now rather than at the first transfer: it is here that the limit on locked memory is reported.
  if (provider_.local_registration && !provider_.endpoint_bound) ROSS_OK(region->registration(Use::kLocal, nullptr));
  return region;
}

void OfiDomain::drop(OfiRegion& region) {
  const std::scoped_lock lock(mutex_);
  regions_.erase(&region);
}

void OfiDomain::forget(fid_ep* endpoint) {
  if (!provider_.endpoint_bound) return;
  const std::scoped_lock lock(mutex_);
  for (OfiRegion* const region : regions_) region->forget(endpoint);
}

Result<Registration> OfiDomain::register_memory(std::span<std::byte> memory, Use use, fid_ep* endpoint,
                                                std::uint64_t rkey) {
  const std::uint64_t mask = provider_.key_bits >= 64 ? UINT64_MAX : (std::uint64_t{1} << provider_.key_bits) - 1;
  int result = 0;
  for (int tries = 0; tries < kKeyTriesMax; ++tries) {
    // Chosen even where the provider chooses (and ignores ours): what it does then is its affair.
    const std::uint64_t requested = rkey != 0 ? rkey : random_seed() & mask;
    fid_mr* mr = nullptr;
    result = fi_mr_reg(domain_.get(), memory.data(), memory.size(), access_of(use), 0, requested, 0, &mr, nullptr);
    if (result == -FI_ENOKEY && rkey == 0) continue;
    if (result != 0) break;
    Registration registration{Fid<fid_mr>(mr), nullptr, 0};
    if (provider_.endpoint_bound) {
      if (result = fi_mr_bind(mr, &endpoint->fid, 0); result != 0) return failed("fi_mr_bind", result);
      if (result = fi_mr_enable(mr); result != 0) return failed("fi_mr_enable", result);
    }
    registration.descriptor = fi_mr_desc(mr);
    registration.rkey = fi_mr_key(mr);
    if (registration.rkey == FI_KEY_NOTAVAIL) {
      return fail(ENOTSUP, fmt::format("{} gave a memory key that has no short form", provider_.name));
    }
    return registration;
  }
  return fail(
      errno_of(result),
      fmt::format("cannot register {} bytes of memory with {}: {}; the limit on locked memory (ulimit -l) is {}",
                  memory.size(), provider_.name, library().strerror(-result), locking_limit()));
}

// Where memory that a device uses is bounded, whether there is as much as an endpoint needs. Privileged processes have no bound,
// whatever the limit says: so it is tried.
Status OfiDomain::try_locking() {
  rlimit limit{};
  if (!provider_.local_registration || ::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur >= kLockedBytesMin) {
    return {};
  }
  void* const memory = ::mmap(nullptr, kLockedBytesMin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Status(errno, "no memory to try out whether it can be locked");
  Status status;
  {
    const std::span<std::byte> bytes(static_cast<std::byte*>(memory), kLockedBytesMin);
    auto tried = register_memory(bytes, Use::kPeersPut, nullptr);
    if (!tried.has_value()) status = std::move(tried).error();
  }
  ::munmap(memory, kLockedBytesMin);
  return status;
}

Result<const Registration*> OfiRegion::registration(Use use, fid_ep* endpoint) const {
  if (!domain_.provider().endpoint_bound) endpoint = nullptr;
  const std::scoped_lock lock(mutex_);
  const auto [at, is_new] = registrations_.try_emplace({use, endpoint});
  if (is_new) {
    auto made = domain_.register_memory(memory(), use, endpoint);
    if (!made.has_value()) {
      registrations_.erase(at);
      return fail(std::move(made).error());
    }
    at->second = *std::move(made);
  }
  return &at->second;
}

void OfiRegion::forget(fid_ep* endpoint) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(registrations_, [endpoint](const auto& each) { return each.first.second == endpoint; });
}

}  // namespace ross::fabric::ofi
