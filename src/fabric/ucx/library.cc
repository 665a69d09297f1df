#include "fabric/ucx/library.h"

#include <fmt/format.h>

namespace ross::fabric::ucx {

int to_errno(ucs_status_t status) {
  switch (status) {
    case UCS_OK:
      return 0;
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
      return ENOMEM;
    case UCS_ERR_INVALID_PARAM:
    case UCS_ERR_INVALID_ADDR:
      return EINVAL;
    case UCS_ERR_NO_DEVICE:
      return ENODEV;
    case UCS_ERR_BUSY:
      return EADDRINUSE;
    case UCS_ERR_UNSUPPORTED:
      return ENOTSUP;
    case UCS_ERR_MESSAGE_TRUNCATED:
      return EMSGSIZE;
    case UCS_ERR_TIMED_OUT:
    case UCS_ERR_ENDPOINT_TIMEOUT:
      return ETIMEDOUT;
    case UCS_ERR_UNREACHABLE:
    case UCS_ERR_NOT_CONNECTED:
    case UCS_ERR_REJECTED:
      return ECONNREFUSED;
    case UCS_ERR_CONNECTION_RESET:
    case UCS_ERR_CANCELED:
      return ESHUTDOWN;
    default:
      return EIO;
  }
}

Status to_status(ucs_status_t status, std::string_view what) {
  return Status(to_errno(status), fmt::format("{}: {}", what, ucs_status_string(status)));
}

Result<Context> make_context(const Transport& transport,
                             const std::vector<std::pair<std::string, std::string>>& settings) {
  ucp_config_t* config = nullptr;
  if (const ucs_status_t status = ucp_config_read(nullptr, nullptr, &config); status != UCS_OK) {
    return fail(to_status(status, "UCX cannot read its configuration (the UCX_ variables of the environment)"));
  }
  const std::unique_ptr<ucp_config_t, decltype(&ucp_config_release)> owned(config, &ucp_config_release);
  const auto set = [config](std::string_view name, std::string_view value) -> Status {
    const ucs_status_t status = ucp_config_modify(config, std::string(name).c_str(), std::string(value).c_str());
    if (status == UCS_OK) return {};
    return Status(EINVAL,
                  fmt::format("UCX does not take the setting {}={}: {}", name, value, ucs_status_string(status)));
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
  if (const ucs_status_t status = ucp_init(&params, config, &context); status != UCS_OK) {
    return fail(to_status(status, fmt::format("UCX has no device for {} (UCX_TLS={})", transport.name, transport.tls)));
  }
  return Context(context);
}

}  // namespace ross::fabric::ucx
