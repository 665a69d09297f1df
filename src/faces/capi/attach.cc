// Pools, containers and attachments by URL: the only file of this face that knows where stores come from.
#include "faces/capi/handles.h"
#include "server/share.h"

using ross::Result;
using ross::Status;
using ross::capi::done;
using ross::capi::guarded;
using ross::capi::tell;

int ross_pool_create(const char* directory, const ross_pool_options* options) {
  return guarded([&]() -> int {
    if (directory == nullptr || options == nullptr)
      return tell(EINVAL, "ross_pool_create needs a directory and options");
    ross_pool_options known{};
    if (const Status status = ross::capi::take_options(options, known); !status.ok()) return tell(status);
    if (known.device_bytes == 0) return tell(EINVAL, "set device_bytes to the size the pool's device shall have");
    ross::engine::DeviceSpec device;
    device.kind = known.ram != 0 ? ross::engine::DeviceKind::kRam : ross::engine::DeviceKind::kFile;
    device.size_bytes = known.device_bytes;
    ross::engine::PoolSpec spec;
    spec.devices.push_back(device);
    return done(ross::engine::Pool::create(directory, spec));
  });
}

int ross_container_create(const char* url) {
  return guarded([&]() -> int {
    if (url == nullptr) return tell(EINVAL, "ross_container_create needs a URL");
    const Result<ross::attach::Url> parsed = ross::attach::parse_url(url, true);
    if (!parsed.has_value()) return tell(parsed.error());
    ross::attach::AttachOptions shared;
    shared.share = &ross::server::share;
    Result<std::shared_ptr<ross::engine::Pool>> pool = ross::attach::attach_pool(parsed->pool, shared);
    if (!pool.has_value()) return tell(pool.error());
    if (const Status status = (*pool)->create_container(parsed->container, {}); !status.ok()) return tell(status);
    return done((*pool)->sync());
  });
}

int ross_attach(const char* url, const ross_attach_options* options, ross_store** store) {
  return guarded([&]() -> int {
    if (url == nullptr || store == nullptr) return tell(EINVAL, "ross_attach needs a URL and a place for the store");
    ross_attach_options known{};
    if (const Status status = ross::capi::take_options(options, known); !status.ok()) return tell(status);
    ross::attach::AttachOptions attach_options;
    attach_options.share = &ross::server::share;
    if (known.cache_bytes != 0) attach_options.pool.cache_bytes = known.cache_bytes;
    Result<std::unique_ptr<ross::attach::Attachment>> attachment = ross::attach::attach(url, attach_options);
    if (!attachment.has_value()) return tell(attachment.error());
    *store = ross::capi::make_store(*std::move(attachment));
    return 0;
  });
}
