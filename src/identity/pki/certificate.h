// What a certificate says of its holder. A tenant's has exactly one URI of the form ross:tenant:NAME among its alternative names; its
// common name is for people. TLS has checked signature and time before anybody asks here.
//
// Threading: any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "identity/principal.h"

namespace ross::identity {

inline constexpr std::string_view kTenantUri = "ross:tenant:";

struct CertificateFacts {
  std::string tenant;     // empty: it names none
  Credential credential;  // serial number and times
};
// EINVAL for what is no certificate, or names two tenants.
Result<CertificateFacts> read_certificate(std::string_view pem);

}  // namespace ross::identity
