// UCX's handles, owned, and its status codes as ours. Threading: any thread, as UCX's contexts.
#pragma once

#include <ucp/api/ucp.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "fabric/ucx/transport.h"

namespace ross::fabric::ucx {

int to_errno(ucs_status_t status);
// "what: UCX's own words"
Status to_status(ucs_status_t status, std::string_view what);

struct ContextDelete {
  void operator()(ucp_context_h context) const { ucp_cleanup(context); }
};
using Context = std::unique_ptr<std::remove_pointer_t<ucp_context_h>, ContextDelete>;

// A context for the transport, with settings (UCX's names without UCX_) laid over ours. The process's environment is not
// changed; what it says of UCX goes under ours. Errors: EINVAL (a setting UCX does not know), ENODEV (no device).
Result<Context> make_context(const Transport& transport,
                             const std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace ross::fabric::ucx
