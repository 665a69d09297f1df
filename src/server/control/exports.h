// Exports: the pools that this process serves, as the control plane's services see them.
//
// Ownership: borrows pools and servers, which outlive it. Threading: any thread.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/pool.h"
#include "server/server_group.h"

namespace ross::server::control {

struct Export {
  std::string name;
  engine::Pool* pool = nullptr;
  ServerGroup* servers = nullptr;
};

// A way to the data plane; address i of every server is of backend i.
struct FabricOffer {
  std::string backend;
  bool same_machine_only = false;
};

class Exports {
 public:
  // tenants: who may reach what; null: everybody, as the modes of files say. Who is revoked loses its sessions from now on.
  Exports(std::vector<Export> exported, std::vector<FabricOffer> fabrics,
          std::shared_ptr<identity::Directory> tenants = nullptr);
  ~Exports();
  Exports(const Exports&) = delete;
  Exports& operator=(const Exports&) = delete;

  [[nodiscard]] const std::vector<Export>& all() const { return exported_; }
  [[nodiscard]] const std::vector<FabricOffer>& fabrics() const { return fabrics_; }
  [[nodiscard]] identity::Directory* tenants() const { return tenants_.get(); }
  // ENOENT with the names there are, for a caller that may know of them.
  Result<const Export*> find(std::string_view pool, const identity::Principal& who = {}) const;
  // Whether a caller may do that: ENOENT for what it may not know of, EROFS, EACCES. peer: for the audit.
  Status may(const identity::Principal& who, std::string_view pool, std::string_view container, identity::Access needs,
             std::string_view peer) const;
  // Ends the sessions of who is revoked; how many.
  std::uint64_t end_revoked() const;
  std::uint64_t sessions_of(std::string_view tenant) const;
  // What its sessions have used, in all pools.
  Usage usage_of(std::string_view tenant) const;
  // An open container of a pool, shared by the calls that are at work on it.
  Result<std::shared_ptr<fs::FileSystem>> container(std::string_view pool, const std::string& name);

 private:
  const std::vector<Export> exported_;
  const std::vector<FabricOffer> fabrics_;
  const std::shared_ptr<identity::Directory> tenants_;  // shared with the servers
  std::mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<fs::FileSystem>> open_;  // guarded by mutex_
};

}  // namespace ross::server::control
