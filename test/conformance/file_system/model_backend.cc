// The suite on the model file system: it checks the oracle, and the suite itself.
#include "conformance/file_system/backend.h"
#include "model/model_file_system.h"

namespace ross::conformance {

namespace {

class ModelInstance final : public Instance {
 public:
  ModelInstance(Clock& clock, model::ModelOptions options)
      : clock_(clock), options_(options), fs_(std::make_unique<model::ModelFileSystem>(clock, options)) {}
  fs::FileSystem& file_system() override { return *fs_; }
  Status restart() override {
    fs_ = std::make_unique<model::ModelFileSystem>(clock_, fs_->state(), options_);
    return {};
  }

 private:
  Clock& clock_;
  const model::ModelOptions options_;
  std::unique_ptr<model::ModelFileSystem> fs_;
};

Result<std::unique_ptr<Instance>> make(const InstanceOptions& options) {
  model::ModelOptions model_options;
  if (options.limit_bytes != 0) model_options.capacity_bytes = options.limit_bytes;
  return std::make_unique<ModelInstance>(*options.clock, model_options);
}

}  // namespace

const std::vector<Backend>& backends() {
  static const std::vector<Backend> all{{.name = "model", .capabilities = {}, .make = make}};
  return all;
}

}  // namespace ross::conformance
