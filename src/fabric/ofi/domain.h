// OfiDomain: one provider opened, and the memory registered with it.
//
// Registration costs a lookup in software and pages to pin and map on a device. So where it is cheap every window has a
// registration of its own, and where it is not a Region keeps one for each use: as our end of transfers, as what peers get
// from, as what they put into. A key of the latter kind opens the whole region in that direction (README.md).
//
// Ownership: a domain outlives its endpoints and regions. Threading: any thread, registrations guarded by the region's mutex.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <set>
#include <span>

#include "fabric/endpoint.h"
#include "fabric/ofi/provider.h"

namespace ross::fabric::ofi {

enum class Use : std::uint8_t { kLocal, kPeersGet, kPeersPut };

// Memory the provider knows.
struct Registration {
  Fid<fid_mr> mr;
  void* descriptor = nullptr;  // for our own transfers
  std::uint64_t rkey = 0;      // for peers'
};

class OfiRegion;

class OfiDomain final : public Domain {
 public:
  static Result<std::unique_ptr<Domain>> create(const Options& options);
  ~OfiDomain() override;

  const Traits& traits() const override { return traits_; }
  Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) override;
  Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) override;

  const Provider& provider() const { return provider_; }
  fid_fabric* fabric() const { return fabric_.get(); }
  fid_domain* domain() const { return domain_.get(); }

  // endpoint: whose registration it is, where the provider binds them (FI_MR_ENDPOINT). rkey: a key to use again; 0: a new one.
  Result<Registration> register_memory(std::span<std::byte> memory, Use use, fid_ep* endpoint, std::uint64_t rkey = 0);
  // An endpoint is about to go: what is registered for it goes first.
  void forget(fid_ep* endpoint);

 private:
  friend class OfiRegion;
  explicit OfiDomain(Provider provider) : provider_(std::move(provider)) {}
  void drop(OfiRegion& region);
  Status try_locking();

  Provider provider_;
  Traits traits_;
  Fid<fid_fabric> fabric_;
  Fid<fid_domain> domain_;
  std::mutex mutex_;
  std::set<OfiRegion*> regions_;  // guarded by mutex_
};

class OfiRegion final : public Region {
 public:
  OfiRegion(OfiDomain& domain, std::span<std::byte> memory) : Region(memory), domain_(domain) {}
  ~OfiRegion() override { domain_.drop(*this); }
  // The registration of all of it, made when first asked for.
  Result<const Registration*> registration(Use use, fid_ep* endpoint) const;
  void forget(fid_ep* endpoint);

 private:
  OfiDomain& domain_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<Use, fid_ep*>, Registration> registrations_;  // guarded by mutex_
};

}  // namespace ross::fabric::ofi
