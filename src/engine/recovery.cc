#include "engine/recovery.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "base/log.h"
#include "engine/container.h"
#include "engine/format/client_records.h"

namespace ross::engine {

using format::kBlockBytes;
using format::KeyKind;

namespace {

Status damaged(std::string_view what) {
  return Status(EIO, fmt::format("the metadata store holds a damaged {}: run ross fsck on the pool", what));
}

}  // namespace

Status Recovery::load() {
  auto stored = core_.store->get(format::pool_key());
  if (!stored) return std::move(stored).error();
  if (!*stored)
    return Status(EIO, "the metadata store is empty: the pool was not made to its end; destroy it and make it anew");
  auto record = format::decode_pool(**stored);
  if (!record) return std::move(record).error();
  core_.pool_record = *record;
  Status bad;
  const std::string prefix = format::key_of(KeyKind::kContainer);
  ROSS_STATUS(core_.store->scan(prefix, {}, [&](std::string_view key, std::string_view value) {
    format::Reader in(key.substr(prefix.size()));
    const format::ContainerId id(in.big<std::uint32_t>());
    auto container = format::decode_container(value);
    if (!container || !in.done()) {
      bad = damaged("container record");
      return false;
    }
    if (!container->destroying) core_.container_names.emplace(container->name, id);
    core_.containers.emplace(id, ContainerState{.id = id, .record = *std::move(container)});
    return true;
  }));
  if (!bad.ok()) return bad;
  ROSS_STATUS(load_clients());
  return load_space();
}

Status Recovery::load_clients() {
  if (!core_.options.serves_clients) return {};
  Status bad;
  ROSS_STATUS(
      core_.store->scan(format::key_of(KeyKind::kClient), {}, [&](std::string_view key, std::string_view value) {
        auto client = format::decode_client(key, value);
        if (client) {
          core_.clients.insert(client->id);
        } else {
          bad = std::move(client).error();
        }
        return bad.ok();
      }));
  core_.holding_orphans = !core_.clients.empty();
  return bad;
}

Status Recovery::load_space() {
  Status bad;
  const std::string prefix = format::key_of(KeyKind::kSpace);
  ROSS_STATUS(core_.store->scan(prefix, {}, [&](std::string_view key, std::string_view value) {
    format::Reader in(key.substr(prefix.size()));
    const auto device = in.big<std::uint8_t>();
    const auto chunk = in.big<std::uint32_t>();
    bad = in.done() ? core_.space.load_chunk(device, chunk, value) : damaged("space map");
    return bad.ok();
  }));
  ROSS_STATUS(std::move(bad));
  // Blocks set apart by fsck are in the map like any other, so they need no loading of their own.
  std::uint64_t reserved = 0;
  for (const auto& [id, container] : core_.containers) reserved += container.record.reserved_blocks;
  return core_.space.reserve(reserved).ok() ? Status() : damaged("count of reserved blocks");
}

Status Recovery::run() {
  ROSS_STATUS(replay_deferred());
  return finish_orphans();
}

Status Recovery::replay_deferred() {
  auto loop = runtime::Loop::create({.clock = core_.options.clock});
  if (!loop) return std::move(loop).error();
  const auto write_block = [](disk::Disk& disk, std::uint64_t block,
                              std::span<const std::byte> content) -> runtime::Task<int> {
    disk::Request request;
    disk::Batch batch;
    batch.submit(disk, request.write(block * kBlockBytes, content));
    co_return co_await batch;
  };
  void* const memory = std::aligned_alloc(kBlockBytes, kBlockBytes);
  const std::unique_ptr<void, decltype(&std::free)> image(memory, &std::free);
  std::vector<format::BlockAddress> replayed;
  Status bad;
  const std::string prefix = format::key_of(KeyKind::kDeferred);
  ROSS_STATUS(core_.store->scan(prefix, {}, [&](std::string_view key, std::string_view value) {
    format::Reader in(key.substr(prefix.size()));
    const auto device = in.big<std::uint8_t>();
    const auto block = in.big<std::uint64_t>();
    const format::BlockAddress address = format::make_address(device, block);
    if (!in.done() || value.size() != kBlockBytes || !core_.space.exists(address)) {
      bad = damaged("deferred block");
      return false;
    }
    replayed.push_back(address);
    // Overwritten or deleted since: its place may be somebody else's.
    if (!core_.space.is_referenced(address)) return true;
    std::memcpy(memory, value.data(), kBlockBytes);
    const int error = (*loop)->block_on(
        write_block(*core_.disks[device], block, {static_cast<const std::byte*>(memory), kBlockBytes}));
    core_.note_device_write(device);
    if (error < 0) bad = Status(-error, "writing to a device failed");
    return bad.ok();
  }));
  ROSS_STATUS(std::move(bad));
  if (replayed.empty()) return {};
  core_.append_log.note_obsolete(replayed);
  return core_.commit_blocking();
}

runtime::Task<Status> Recovery::finish_orphan(Core& core, format::NodeKey key) {
  Lock lock(core.mutex);
  if (!core.containers.contains(key.container) || core.containers.at(key.container).record.destroying)
    co_return Status();
  Container container(core, key.container);
  auto node = core.nodes.find(key);
  Status status;
  if (!node) {
    if (node.error().error() != ESTALE) status = std::move(node).error();
    if (status.ok()) core.store->erase(format::node_key(KeyKind::kOrphan, key));
  } else if ((*node)->record.links == 0) {
    if (container.unwanted(**node)) status = co_await container.reclaim(lock, **node);
  } else {
    // A truncate that was cut short: what lies behind the end goes.
    Inode& inode = **node;
    const std::uint64_t size = inode.record.size_bytes;
    inode.record.size_bytes = size + 1;
    core.nodes.pin(inode);
    status = co_await container.resize(lock, inode, size);
    core.nodes.unpin(inode);
    if (status.ok()) core.store->erase(format::node_key(KeyKind::kOrphan, key));
  }
  lock.unlock();
  co_return status;
}

Result<std::vector<format::NodeKey>> Recovery::find_orphans(Core& core) {
  std::vector<format::NodeKey> orphans;
  const std::string prefix = format::key_of(KeyKind::kOrphan);
  ROSS_OK(core.store->scan(prefix, {}, [&](std::string_view key, std::string_view) {
    format::Reader in(key.substr(prefix.size()));
    const format::ContainerId container(in.big<std::uint32_t>());
    const fs::NodeId node(in.big<std::uint64_t>());
    if (in.done()) orphans.push_back({container, node});
    return true;
  }));
  return orphans;
}

runtime::Task<Status> Recovery::delete_orphan(Core& core, format::NodeKey key) {
  Lock lock(core.mutex);
  core.nodes.trim();
  if (!core.admits()) {
    if (Status status = co_await core.admit(lock); !status.ok()) co_return status;
  }
  const auto state = core.containers.find(key.container);
  if (state == core.containers.end() || state->second.record.destroying) co_return Status();
  auto node = core.nodes.find(key);
  // Gone by now, or a truncate under way.
  if (!node && node.error().error() == ESTALE) co_return Status();
  if (!node) co_return std::move(node).error();
  std::optional<Container> container(std::in_place, core, key.container);
  Status status;
  if (container->unwanted(**node)) status = co_await container->reclaim(lock, **node);
  lock.unlock();
  container.reset();  // takes the mutex
  co_return status;
}

runtime::Task<Status> Recovery::release_orphans(Core& core) {
  std::vector<format::NodeKey> orphans;
  {
    const Lock lock(core.mutex);
    core.holding_orphans = false;
    auto found = find_orphans(core);
    if (!found) co_return std::move(found).error();
    orphans = *std::move(found);
  }
  for (const format::NodeKey& key : orphans) {
    const Status status = co_await delete_orphan(core, key);
    if (!status.ok()) log().error("node {} of container {}: {}", key.node.value, key.container.value, status.message());
    const Lock lock(core.mutex);
    if (!core.failure().ok()) co_return core.failure();
  }
  co_return Status();
}

Status Recovery::finish_orphans() {
  auto found = find_orphans(core_);
  if (!found) return std::move(found).error();
  const std::vector<format::NodeKey> orphans = *std::move(found);
  auto loop = runtime::Loop::create({.clock = core_.options.clock});
  if (!loop) return std::move(loop).error();
  for (const format::NodeKey& key : orphans) {
    const Status status = (*loop)->block_on(finish_orphan(core_, key));
    // One damaged node is no reason to lose the pool: it stays as it is until fsck.
    if (!status.ok()) log().error("node {} of container {}: {}", key.node.value, key.container.value, status.message());
    const Lock lock(core_.mutex);
    ROSS_STATUS(core_.failure());
  }
  std::vector<format::ContainerId> destroying;
  for (const auto& [id, container] : core_.containers) {
    if (container.record.destroying) destroying.push_back(id);
  }
  for (const format::ContainerId id : destroying) ROSS_STATUS((*loop)->block_on(destroy_content(core_, id)));
  if (orphans.empty() && destroying.empty()) return {};
  return core_.commit_blocking();
}

runtime::Task<Status> Recovery::destroy_content(Core& core, format::ContainerId id) {
  constexpr std::size_t kKeysPerSlice = 512;
  Lock lock(core.mutex);
  core.nodes.forget(id);
  ContainerState& state = core.containers.at(id);
  for (const KeyKind kind :
       {KeyKind::kSegment, KeyKind::kEntry, KeyKind::kXattr, KeyKind::kSymlink, KeyKind::kOrphan, KeyKind::kInode}) {
    std::string prefix = format::key_of(kind);
    format::append_big(prefix, id.value);
    std::string from;  // behind what is erased, so that no slice wades through the traces of the ones before
    for (std::size_t found = kKeysPerSlice; found == kKeysPerSlice;) {
      if (!core.admits()) {
        if (Status status = co_await core.admit(lock); !status.ok()) co_return status;
      }
      std::vector<std::string> keys;
      Status bad;
      const Status scanned = core.store->scan(prefix, from, [&](std::string_view key, std::string_view value) {
        keys.emplace_back(key);
        if (kind == KeyKind::kSegment) {
          auto blocks = format::decode_segment(value);
          if (!blocks) {
            bad = std::move(blocks).error();
            return false;
          }
          for (const format::BlockRef& ref : *blocks) {
            if (core.space.is_referenced(ref.address)) core.append_log.drop(ref.address);
            if (ref.address == format::kReserved && state.record.reserved_blocks > 0) {
              core.space.unreserve(1);
              --state.record.reserved_blocks;
            }
          }
        }
        return keys.size() < kKeysPerSlice;
      });
      if (!scanned.ok()) co_return scanned;
      if (!bad.ok()) co_return bad;
      found = keys.size();
      if (found > 0) from = keys.back() + '\0';
      for (std::string& key : keys) core.store->erase(std::move(key));
      core.mark_dirty(state);
      lock.unlock();
      lock.lock();  // lets the others in
    }
  }
  core.store->erase(format::container_key(id));
  core.containers.erase(id);
  co_return Status();
}

}  // namespace ross::engine
