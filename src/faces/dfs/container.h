// Pool and Container: what pool and container handles stand for.
//
// Handles of one process to the same pool share its backend, and handles to the same container share the file system,
// so that a container opened twice is one. Threading: any thread.
#pragma once

#include <uuid/uuid.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "faces/dfs/backend.h"
#include "faces/dfs/library.h"

namespace ross::dfs {

using Uuid = std::array<unsigned char, 16>;

struct Pool {
  std::string name;  // as the program gave it: what other processes open it by
  Uuid uuid{};
  std::shared_ptr<PoolBackend> backend;
  bool writable = false;
  std::atomic<unsigned> containers{0};  // open through this handle
};

struct Container {
  ~Container();
  std::string name;
  std::string pool_name;
  Uuid uuid{};
  std::shared_ptr<PoolBackend> pool;
  std::shared_ptr<ContainerBackend> backend;
  std::uint64_t pool_cookie = 0;
  bool writable = false;
  std::atomic<unsigned> mounts{0};
  [[nodiscard]] fs::FileSystem& file_system() const { return backend->file_system(); }
};

Container* container_of(daos_handle_t coh);  // null: -DER_NO_HDL

// The uuid of a container or pool: the name itself when it is one as text, else derived from it.
Uuid uuid_of(std::string_view name);

// These are the daos_* calls without their events and handles' checks; errors as Status, with sentences.
Result<std::uint64_t> open_pool(Library& library, const char* name, unsigned flags);
Status close_pool(Library& library, std::uint64_t cookie);
Result<std::string> find_container(Pool& pool, std::string_view label_or_uuid);
Status create_container(Pool& pool, std::string_view label);
Result<std::uint64_t> open_container(Library& library, std::uint64_t pool, std::string_view label_or_uuid,
                                     unsigned flags);
Status close_container(Library& library, std::uint64_t cookie);
Status destroy_container(Library& library, Pool& pool, std::string_view label_or_uuid);

}  // namespace ross::dfs
