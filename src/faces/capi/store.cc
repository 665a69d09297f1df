// A store as a whole, and whole objects by key.
#include "faces/capi/handles.h"
#include "fs/object.h"

using ross::Result;
using ross::Status;
using ross::capi::counted;
using ross::capi::done;
using ross::capi::guarded;
using ross::capi::run;
using ross::capi::tell;

int ross_detach(ross_store* store) {
  return guarded([&]() -> int {
    if (store == nullptr) return tell(EINVAL, "the store is null");
    if (store->open_handles.load() != 0) {
      return tell(EBUSY, "files, directories, buffers or queues of the store are still open: close them first");
    }
    const Status status = store->attachment->close();
    delete store;
    return done(status);
  });
}

int ross_sync(ross_store* store) {
  return guarded([&]() -> int {
    if (store == nullptr) return tell(EINVAL, "the store is null");
    return done(run(store->fs().sync()));
  });
}

int ross_statfs(ross_store* store, ross_space* space) {
  return guarded([&]() -> int {
    if (store == nullptr || space == nullptr) return tell(EINVAL, "ross_statfs needs a store and a struct to fill");
    const Result<ross::fs::StatFs> stat = run(store->fs().statfs());
    if (!stat.has_value()) return tell(stat.error());
    ross_space filled{};
    filled.total_bytes = stat->total_bytes;
    filled.free_bytes = stat->free_bytes;
    filled.nodes_used = stat->nodes_used;
    filled.nodes_total = stat->nodes_total;
    return done(ross::capi::give_struct(filled, space));
  });
}

int ross_put(ross_store* store, const char* key, const void* data, size_t length, uint32_t mode) {
  return guarded([&]() -> int {
    if (store == nullptr || key == nullptr || (data == nullptr && length != 0)) {
      return tell(EINVAL, "ross_put needs a store, a key and data");
    }
    const auto from = ross::memory::Memory::for_write(data, length);
    const ross::fs::PutOptions options{.mode = mode, .durable = true};
    return done(run(ross::fs::put_object(store->fs(), store->cred, key, from, options)));
  });
}

int64_t ross_get(ross_store* store, const char* key, void* data, size_t length, uint64_t offset) {
  return guarded([&]() -> int64_t {
    if (store == nullptr || key == nullptr || (data == nullptr && length != 0)) {
      return tell(EINVAL, "ross_get needs a store, a key and memory");
    }
    const ross::memory::Memory into(data, length);
    return counted(run(ross::fs::get_object(store->fs(), store->cred, key, into, offset)));
  });
}
