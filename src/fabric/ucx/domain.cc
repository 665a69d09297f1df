#include "fabric/ucx/domain.h"

#include <fmt/format.h>

#include "fabric/ucx/context.h"
#include "fabric/ucx/endpoint.h"
#include "fabric/ucx/library.h"
#include "fabric/ucx/transport.h"

namespace ross::fabric::ucx {
namespace {

class UcxRegion final : public Region {
 public:
  UcxRegion(ucp_context_h context, ucp_mem_h handle, std::span<std::byte> memory)
      : Region(memory), context_(context), handle_(handle) {}
  ~UcxRegion() override {
    if (handle_ != nullptr) library().mem_unmap(context_, handle_);
  }

 private:
  ucp_context_h context_;
  ucp_mem_h handle_;
};

class UcxDomain final : public Domain {
 public:
  UcxDomain(Context context, const Transport& transport) : context_(std::move(context)), transport_(transport) {
    traits_.name = transport.name;
    traits_.same_machine_only = transport.same_machine_only;
    traits_.inline_bytes_max = transport.inline_bytes_max;
  }
  [[nodiscard]] const Traits& traits() const override { return traits_; }

  Result<std::unique_ptr<Endpoint>> open(runtime::Loop& loop, const EndpointOptions& options) override {
    return UcxEndpoint::open(context_.get(), transport_, loop, options);
  }

  // UCX remembers what is registered, and so finds the memory of a transfer without being told.
  Result<std::unique_ptr<Region>> add_region(std::span<std::byte> memory) override {
    ucp_mem_h handle = nullptr;
    if (!memory.empty()) {
      ucp_mem_map_params_t params{};
      params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH;
      params.address = memory.data();
      params.length = memory.size();
      if (const ucs_status_t status = library().mem_map(context_.get(), &params, &handle); status != UCS_OK) {
        return fail(to_status(status, fmt::format("cannot register {} bytes", memory.size())));
      }
    }
    return std::make_unique<UcxRegion>(context_.get(), handle, memory);
  }

 private:
  const Context context_;
  const Transport& transport_;
  Traits traits_;
};

}  // namespace

Result<std::unique_ptr<Domain>> make_domain(const Options& options) {
  ROSS_TRY(const Transport* const transport, find_transport(options.transport));
  ROSS_TRY(Context context, make_context(*transport, options.settings));
  return std::make_unique<UcxDomain>(std::move(context), *transport);
}

}  // namespace ross::fabric::ucx
