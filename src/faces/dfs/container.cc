#include "faces/dfs/container.h"

#include <daos_cont.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "faces/dfs/thread_loop.h"

namespace ross::dfs {
namespace {

// What several handles to one pool or container share, by name. The backends live as long as a handle does.
std::mutex shared_mutex;
std::map<std::pair<PoolBackend*, std::string>, std::weak_ptr<ContainerBackend>> shared_containers;  // guarded

// Lets go of a container's file system, closing it if this handle was the last.
Status let_go(std::shared_ptr<ContainerBackend> backend) {
  const std::lock_guard lock(shared_mutex);
  if (backend == nullptr || backend.use_count() > 1) return {};
  std::erase_if(shared_containers, [&](const auto& entry) { return entry.second.lock() == backend; });
  return backend->close();
}

Status check_label(std::string_view label) {
  const auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '_' || c == ':' || c == '-';
  };
  if (label.empty() || label.size() > DAOS_PROP_LABEL_MAX_LEN || !std::all_of(label.begin(), label.end(), allowed) ||
      label == "." || label == "..") {
    return Status(EINVAL, fmt::format("'{}' is no container label: use 1 to 127 letters, digits and . _ : -", label));
  }
  return {};
}

}  // namespace

Container::~Container() {
  if (Status status = let_go(std::move(backend)); !status.ok()) log().error("closing {}: {}", name, status.message());
}

Container* container_of(daos_handle_t coh) {
  Library* library = Library::current();
  return library == nullptr ? nullptr : library->containers.find(coh.cookie);
}

Uuid uuid_of(std::string_view name) {
  Uuid uuid{};
  const std::string text(name);
  if (uuid_parse(text.c_str(), uuid.data()) == 0) return uuid;
  // A name space of our own, so that one name gives one uuid everywhere.
  static constexpr Uuid kSpace = {0x9f, 0x4e, 0x1c, 0x52, 0x0a, 0x6b, 0x4d, 0x2f,
                                  0x8e, 0x33, 0x72, 0x6f, 0x73, 0x73, 0x63, 0x6f};
  uuid_generate_sha1(uuid.data(), kSpace.data(), text.data(), text.size());
  return uuid;
}

Result<std::uint64_t> open_pool(Library& library, const char* name, unsigned flags) {
  const unsigned access = flags & DAOS_PC_MASK;
  if (name == nullptr || flags != access || (access & (access - 1)) != 0 || access == 0) {
    return fail(EINVAL, "a pool is opened by a name, for reading (DAOS_PC_RO) or writing (DAOS_PC_RW)");
  }
  ROSS_TRY(auto backend, open_backend(name));
  ROSS_TRY(const PoolSpace space, backend->space());
  auto pool = std::make_unique<Pool>();
  pool->name = name;
  pool->uuid = uuid_of(space.uuid.empty() ? name : space.uuid);
  pool->backend = std::move(backend);
  pool->writable = access != DAOS_PC_RO;
  return library.pools.add(std::move(pool));
}

Status close_pool(Library& library, std::uint64_t cookie) {
  Pool* pool = library.pools.find(cookie);
  if (pool == nullptr) return Status(EBADF);
  if (pool->containers.load() > 0) return Status(EBUSY, "containers of the pool are still open: close them first");
  library.pools.remove(cookie);
  return {};
}

Result<std::string> find_container(Pool& pool, std::string_view label_or_uuid) {
  ROSS_OK(check_label(label_or_uuid));
  uuid_t asked;
  const std::string text(label_or_uuid);
  if (uuid_parse(text.c_str(), asked) != 0) return text;
  // A uuid is the name of a container made without a label, or belongs to one of the labels.
  ROSS_TRY(const std::vector<std::string> names, pool.backend->containers());
  for (const std::string& name : names) {
    if (std::memcmp(uuid_of(name).data(), asked, sizeof asked) == 0) return name;
  }
  return fail(ENOENT, fmt::format("the pool has no container {}", text));
}

Status create_container(Pool& pool, std::string_view label) {
  if (!pool.writable) return Status(EPERM, "the pool is open for reading only");
  ROSS_STATUS(check_label(label));
  return pool.backend->create_container(label);
}

Result<std::uint64_t> open_container(Library& library, std::uint64_t pool_cookie, std::string_view label_or_uuid,
                                     unsigned flags) {
  Pool* pool = library.pools.find(pool_cookie);
  if (pool == nullptr) return fail(EBADF);
  const unsigned access = flags & DAOS_COO_IO_BASE_MASK;
  if ((flags & ~DAOS_COO_MASK) != 0 || access == 0 || (access & (access - 1)) != 0) {
    return fail(EINVAL, "a container is opened for reading (DAOS_COO_RO) or writing (DAOS_COO_RW)");
  }
  if (access != DAOS_COO_RO && !pool->writable) return fail(EPERM, "the pool is open for reading only");
  ROSS_TRY(const std::string name, find_container(*pool, label_or_uuid));

  auto container = std::make_unique<Container>();
  container->name = name;
  container->pool_name = pool->name;
  container->uuid = uuid_of(name);
  container->pool = pool->backend;
  container->pool_cookie = pool_cookie;
  container->writable = access != DAOS_COO_RO;
  {
    const std::lock_guard lock(shared_mutex);
    auto& shared = shared_containers[{pool->backend.get(), name}];
    container->backend = shared.lock();
    if (container->backend == nullptr) {
      auto opened = pool->backend->open_container(name);
      if (!opened) {
        shared_containers.erase({pool->backend.get(), name});
        return fail(std::move(opened).error());
      }
      container->backend = *std::move(opened);
      shared = container->backend;
    }
  }
  ROSS_TRY(const std::uint64_t cookie, library.containers.add(std::move(container)));
  pool->containers.fetch_add(1);
  return cookie;
}

Status close_container(Library& library, std::uint64_t cookie) {
  Container* container = library.containers.find(cookie);
  if (container == nullptr) return Status(EBADF);
  if (container->mounts.load() > 0) return Status(EBUSY, "the container is still mounted: call dfs_umount first");
  Status synced = container->writable ? wait_for(container->file_system().sync()) : Status();
  const std::unique_ptr<Container> last = library.containers.remove(cookie);
  if (last == nullptr) return Status(EBADF);
  if (Pool* pool = library.pools.find(last->pool_cookie); pool != nullptr) pool->containers.fetch_sub(1);
  Status closed = let_go(std::exchange(last->backend, nullptr));
  return synced.ok() ? std::move(closed) : std::move(synced);
}

Status destroy_container(Library& library, Pool& pool, std::string_view label_or_uuid) {
  if (!pool.writable) return Status(EPERM, "the pool is open for reading only");
  auto name = find_container(pool, label_or_uuid);
  if (!name) return std::move(name).error();
  for (const std::uint64_t cookie : library.containers.cookies()) {
    const Container* open = library.containers.find(cookie);
    if (open != nullptr && open->pool == pool.backend && open->name == *name) {
      return Status(EBUSY, fmt::format("container {} is open in this process: close it first", *name));
    }
  }
  return pool.backend->destroy_container(*name);
}

}  // namespace ross::dfs
