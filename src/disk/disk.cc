#include "disk/disk.h"

namespace ross::disk {

bool Disk::allowed(const Request& request) const {
  const auto address = reinterpret_cast<std::uintptr_t>(request.data);
  return request.offset_bytes % kBlockBytes == 0 && request.size_bytes % kBlockBytes == 0 &&
         address % alignment_bytes() == 0 && request.offset_bytes <= size_bytes() &&
         request.size_bytes <= size_bytes() - request.offset_bytes && request.size_bytes <= kTransferBytesMax;
}

void Batch::completed(runtime::Completion& completion, int result) {
  auto& request = static_cast<Request&>(completion);
  Batch& batch = *request.batch;
  ROSS_CHECK(result < 0 || static_cast<std::size_t>(result) == request.size_bytes, "a short transfer");
  if (result < 0 && batch.error_ == 0) batch.error_ = result;
  if (--batch.pending_ == 0 && batch.waiting_) std::exchange(batch.waiting_, {}).resume();
}

}  // namespace ross::disk
