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
#include "server/server.h"

namespace ross::server::control {

struct Export {
  std::string name;
  engine::Pool* pool = nullptr;
  Server* server = nullptr;
};

// A way to the data plane; address i of every export's server is of backend i.
struct FabricOffer {
  std::string backend;
  bool same_machine_only = false;
};

class Exports {
 public:
  Exports(std::vector<Export> exported, std::vector<FabricOffer> fabrics)
      : exported_(std::move(exported)), fabrics_(std::move(fabrics)) {}

  [[nodiscard]] const std::vector<Export>& all() const { return exported_; }
  [[nodiscard]] const std::vector<FabricOffer>& fabrics() const { return fabrics_; }
  // ENOENT with the names there are.
  Result<const Export*> find(std::string_view pool) const;
  // An open container of a pool, shared by the calls that are at work on it.
  Result<std::shared_ptr<fs::FileSystem>> container(std::string_view pool, const std::string& name);

 private:
  const std::vector<Export> exported_;
  const std::vector<FabricOffer> fabrics_;
  std::mutex mutex_;
  absl::flat_hash_map<std::string, std::weak_ptr<fs::FileSystem>> open_;  // guarded by mutex_
};

}  // namespace ross::server::control
