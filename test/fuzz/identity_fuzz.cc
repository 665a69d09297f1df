// Goal: no text is a token that nobody signed, none crashes who takes tokens, certificates or lists of revocations apart, and a list that
// is accepted is the same when it is written and read again. Method: each input as all three.
#include <cstdint>
#include <string>

#include "base/status.h"
#include "identity/pki/certificate.h"
#include "identity/pki/token.h"
#include "identity/revocations.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ross::identity;
  static const std::string key = ross::identity::make_token_keys()->public_pem;  // nobody has the other half
  const std::string text(data, data + size);
  ROSS_CHECK(!verify_token(text, key).has_value());
  ROSS_CHECK(!verify_token("ross1." + text, key).has_value());
  if (const auto facts = read_certificate(text); facts.has_value()) {
    ROSS_CHECK(facts->tenant.empty() || is_tenant_name(facts->tenant));
  }
  const auto list = Revocations::parse(text, "list");
  if (!list.has_value()) {
    ROSS_CHECK(list.error().error() == EINVAL);
    return 0;
  }
  const auto again = Revocations::parse(list->text(), "list");
  ROSS_CHECK(again.has_value() && *again == *list);
  return 0;
}
