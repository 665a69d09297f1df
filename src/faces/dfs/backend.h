// Backend: what the face needs of pools and containers, so that tests can put a model in their place.
//
// The real one goes through attach. Ownership: a container keeps its pool. Threading: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "fs/file_system.h"

namespace ross::dfs {

class ContainerBackend {
 public:
  virtual ~ContainerBackend() = default;
  virtual fs::FileSystem& file_system() = 0;
  // Durable, errors told. Nothing is used after it.
  virtual Status close() = 0;
};

struct PoolSpace {
  std::string uuid;  // empty: derived from the pool's name
  std::uint32_t devices = 1;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
};

class PoolBackend {
 public:
  virtual ~PoolBackend() = default;
  virtual Status create_container(std::string_view name) = 0;
  virtual Status destroy_container(std::string_view name) = 0;
  virtual Result<std::vector<std::string>> containers() = 0;
  virtual Result<std::unique_ptr<ContainerBackend>> open_container(std::string_view name) = 0;
  virtual Result<PoolSpace> space() = 0;
};

// The pool a program named. Defined in attached_backend.cc, for the machine's pools; a test program brings its own.
Result<std::shared_ptr<PoolBackend>> open_backend(std::string_view name);

}  // namespace ross::dfs
