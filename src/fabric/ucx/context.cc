#include "fabric/ucx/context.h"

#include <fmt/format.h>

namespace ross::fabric::ucx {
namespace {

struct ReleaseConfig {
  void operator()(ucp_config_t* config) const { library().config_release(config); }
};

}  // namespace

Result<Context> make_context(const Transport& transport,
                             const std::vector<std::pair<std::string, std::string>>& settings) {
  ROSS_OK(load_library());
  ucp_config_t* config = nullptr;
  if (const ucs_status_t status = library().config_read(nullptr, nullptr, &config); status != UCS_OK) {
    return fail(to_status(status, "UCX cannot read its configuration (the UCX_ variables of the environment)"));
  }
  const std::unique_ptr<ucp_config_t, ReleaseConfig> owned(config);
  const auto set = [config](std::string_view name, std::string_view value) -> Status {
    const ucs_status_t status = library().config_modify(config, std::string(name).c_str(), std::string(value).c_str());
    if (status == UCS_OK) return {};
    return Status(EINVAL,
                  fmt::format("UCX does not take the setting {}={}: {}", name, value, library().status_string(status)));
  };
  ROSS_OK(set("TLS", transport.tls));
  for (const auto& [name, value] : transport.settings) ROSS_OK(set(name, value));
  for (const auto& [name, value] : settings) ROSS_OK(set(name, value));

  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_MT_WORKERS_SHARED | UCP_PARAM_FIELD_NAME;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  params.mt_workers_shared = 1;  // workers of several loops, each on its thread
  params.name = "ross";
  ucp_context_h context = nullptr;
  if (const ucs_status_t status = library().init_version(UCP_API_MAJOR, UCP_API_MINOR, &params, config, &context);
      status != UCS_OK) {
    return fail(to_status(status, fmt::format("UCX has no device for {} (UCX_TLS={})", transport.name, transport.tls)));
  }
  return Context(context);
}

}  // namespace ross::fabric::ucx
