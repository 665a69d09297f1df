#include "disk/disk.h"

namespace ross::disk {

void Batch::completed(runtime::Completion& completion, int result) {
  auto& request = static_cast<Request&>(completion);
  Batch& batch = *request.batch;
  ROSS_CHECK(result < 0 || static_cast<std::size_t>(result) == request.size_bytes, "a short transfer");
  if (result < 0 && batch.error_ == 0) batch.error_ = result;
  if (--batch.pending_ == 0 && batch.waiting_) std::exchange(batch.waiting_, {}).resume();
}

}  // namespace ross::disk
