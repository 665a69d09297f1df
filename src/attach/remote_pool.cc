#include "attach/remote_pool.h"

#include "client/remote_file_system.h"

namespace ross::attach {
namespace {

using wire::Op;

engine::ContainerInfo info_of(const wire::Container& container) {
  engine::ContainerInfo info;
  info.name = container.name;
  info.options = {.quota_bytes = container.quota_bytes, .quota_nodes = container.quota_nodes};
  info.used_bytes = container.used_bytes;
  info.used_nodes = container.used_nodes;
  info.created_ns = container.created_ns;
  return info;
}

class RemotePool final : public engine::Pool {
 public:
  explicit RemotePool(std::unique_ptr<client::Session> session) : session_(std::move(session)) {}

  Status create_container(std::string_view name, const engine::ContainerOptions& options) override {
    return change(Op::kContainerCreate, name, options);
  }
  Status set_container(std::string_view name, const engine::ContainerOptions& options) override {
    return change(Op::kContainerSet, name, options);
  }
  Status destroy_container(std::string_view name) override { return change(Op::kContainerDestroy, name, {}); }

  std::vector<engine::ContainerInfo> containers() override {
    std::vector<engine::ContainerInfo> all;
    std::string behind;
    for (;;) {
      const Result<client::Answer> answer = session_->call_and_wait({.op = Op::kContainerList, .name = behind});
      if (!answer.has_value()) return all;
      const Result<std::vector<wire::Container>> part = wire::decode_containers(answer->text);
      // An empty part is the end; one that does not go on would go on for ever.
      if (!part.has_value() || part->empty() || part->back().name <= behind) return all;
      for (const wire::Container& container : *part) all.push_back(info_of(container));
      behind = part->back().name;
    }
  }
  Result<engine::ContainerInfo> container(std::string_view name) override {
    if (const int error = name_error(name); error != 0) return fail(error, kNameRule);
    ROSS_TRY(const client::Answer answer, session_->call_and_wait({.op = Op::kContainerInfo, .name = name}));
    ROSS_TRY(const std::vector<wire::Container> told, wire::decode_containers(answer.text));
    if (told.size() != 1) return fail(EBADMSG, "the process that has the pool open gave no container");
    return info_of(told.front());
  }
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) override {
    return client::open_container(session_, name);
  }
  engine::PoolInfo info() override {
    engine::PoolInfo info;
    const Result<client::Answer> answer = session_->call_and_wait({.op = Op::kPoolInfo});
    if (!answer.has_value()) {
      info.failed = answer.error().message();
      return info;
    }
    const Result<wire::PoolInfo> told = wire::decode_pool_info(answer->text);
    if (!told.has_value()) {
      info.failed = told.error().message();
      return info;
    }
    info.uuid = told->uuid;
    info.format_version = told->format_version;
    info.total_bytes = told->total_bytes;
    info.free_bytes = told->free_bytes;
    info.containers = told->containers;
    info.failed = told->failed;
    for (const wire::Device& device : told->devices) {
      info.devices.push_back({.kind = static_cast<engine::DeviceKind>(device.kind),
                              .path = std::string(device.path),
                              .size_bytes = device.size_bytes,
                              .free_bytes = device.free_bytes});
    }
    return info;
  }
  Status sync() override {
    const Result<client::Answer> answer = session_->call_and_wait({.op = Op::kPoolSync});
    return answer.has_value() ? Status() : answer.error();
  }
  Status close() override { return sync(); }

 private:
  static constexpr std::string_view kNameRule = "a container's name has 1 to 255 bytes";
  static int name_error(std::string_view name) {
    return name.empty() ? EINVAL : name.size() > wire::kNameBytesMax ? ENAMETOOLONG : 0;
  }
  Status change(Op op, std::string_view name, const engine::ContainerOptions& options) {
    if (const int error = name_error(name); error != 0) return Status(error, kNameRule);
    wire::Request request{.op = op, .name = name};
    request.a = options.quota_bytes;
    request.b = options.quota_nodes;
    const Result<client::Answer> answer = session_->call_and_wait(request);
    return answer.has_value() ? Status() : answer.error();
  }

  const std::shared_ptr<client::Session> session_;  // shared with the containers opened over it
};

}  // namespace

std::unique_ptr<engine::Pool> make_remote_pool(std::unique_ptr<client::Session> session) {
  return std::make_unique<RemotePool>(std::move(session));
}

}  // namespace ross::attach
