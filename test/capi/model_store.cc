#include "model_store.h"

#include "faces/capi/handles.h"
#include "gated_file_system.h"
#include "model/model_file_system.h"

namespace {

class ModelAttachment final : public ross::attach::Attachment {
 public:
  ModelAttachment() : model_(ross::system_clock()), gated_(model_) { last = this; }
  ~ModelAttachment() override {
    if (last == this) last = nullptr;
  }
  ross::fs::FileSystem& file_system() override { return gated_; }
  ross::engine::Pool* pool() override { return nullptr; }
  ross::Status close() override { return {}; }
  ross::capi_test::GatedFileSystem& gate() { return gated_; }

  static ModelAttachment* last;

 private:
  ross::model::ModelFileSystem model_;
  ross::capi_test::GatedFileSystem gated_;
};
ModelAttachment* ModelAttachment::last = nullptr;

}  // namespace

ross_store* model_store(void) { return ross::capi::make_store(std::make_unique<ModelAttachment>()); }

void model_gate(int closed) {
  if (closed != 0) {
    ModelAttachment::last->gate().close_gate();
  } else {
    ModelAttachment::last->gate().open_gate();
  }
}
