// A UCX context, owned, set up for one transport. Threading: any thread, as UCX's contexts.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/status.h"
#include "fabric/ucx/library.h"
#include "fabric/ucx/transport.h"

namespace ross::fabric::ucx {

struct ContextDelete {
  void operator()(ucp_context_h context) const { library().cleanup(context); }
};
using Context = std::unique_ptr<std::remove_pointer_t<ucp_context_h>, ContextDelete>;

// A context for the transport, with settings (UCX's names without UCX_) laid over ours. The process's environment is not
// changed; what it says of UCX goes under ours. Errors: those of load_library(), EINVAL (a setting UCX does not know), ENODEV
// (no device).
Result<Context> make_context(const Transport& transport,
                             const std::vector<std::pair<std::string, std::string>>& settings);

}  // namespace ross::fabric::ucx
