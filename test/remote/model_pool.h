// ModelPool: a pool whose containers are model file systems with a gate in front, for a server to serve.
//
// Threading: any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "capi/gated_file_system.h"
#include "engine/pool.h"
#include "model/model_file_system.h"

namespace ross::remote_test {

class ModelPool : public engine::Pool {
 public:
  struct Container {
    explicit Container(Clock& clock, model::ModelOptions options) : model(clock, options), gate(model) {}
    model::ModelFileSystem model;
    capi_test::GatedFileSystem gate;
  };

  explicit ModelPool(Clock& clock = system_clock(), model::ModelOptions options = {})
      : clock_(clock), options_(options) {}

  Status create_container(std::string_view name, const engine::ContainerOptions&) override {
    const std::lock_guard lock(mutex_);
    if (containers_.contains(std::string(name))) return Status(EEXIST, "there is such a container already");
    containers_[std::string(name)] = std::make_unique<Container>(clock_, options_);
    return {};
  }
  Status set_container(std::string_view, const engine::ContainerOptions&) override { return Status(EROFS); }
  Status destroy_container(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    return containers_.erase(std::string(name)) == 1 ? Status() : Status(ENOENT);
  }
  std::vector<engine::ContainerInfo> containers() override {
    const std::lock_guard lock(mutex_);
    std::vector<engine::ContainerInfo> all;
    for (const auto& [name, container] : containers_) all.push_back({.name = name});
    return all;
  }
  Result<engine::ContainerInfo> container(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    if (!containers_.contains(std::string(name))) return fail(ENOENT, "no such container");
    return engine::ContainerInfo{.name = std::string(name)};
  }
  Result<std::unique_ptr<fs::FileSystem>> open_container(std::string_view name) override {
    const std::lock_guard lock(mutex_);
    const auto found = containers_.find(std::string(name));
    if (found == containers_.end()) return fail(ENOENT, "no such container");
    return std::make_unique<capi_test::GatedFileSystem>(static_cast<fs::FileSystem&>(found->second->gate));
  }
  engine::PoolInfo info() override {
    return {.uuid = "model", .devices = {{.kind = engine::DeviceKind::kRam, .path = "none"}}, .containers = 1};
  }
  Status sync() override { return {}; }
  Status close() override { return {}; }

  // The container itself, behind the server's back.
  Container& at(const std::string& name) { return *containers_.at(name); }

 private:
  Clock& clock_;
  const model::ModelOptions options_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Container>> containers_;  // guarded by mutex_
};

}  // namespace ross::remote_test
